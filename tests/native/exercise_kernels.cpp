// Runs the CPU kernels on random layers. Each tensor ends exactly where its memory ends, so that a build with
// sanitizers detects every read and write out of bounds. Prints how many layers ran.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "dynast/calls.h"
#include "exercise_frame_layers.h"
#include "exercise_training_layers.h"

extern "C" int dynast_forward(const DynastProblem*, const DynastForward*, int, const char*, int, char*, int);
extern "C" int dynast_backward(const DynastProblem*, const DynastBackward*, const char*, int, char*, int);
extern "C" int dynast_dense(const DynastDense*, const DynastDenseForward*, int, const char*, int, char*, int);
extern "C" const char* dynast_variant(const char*);

namespace {

std::mt19937 random_bits(7);

int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_bits); }

// Storage of exactly `count` elements, random floats or halves.
template <class T>
std::unique_ptr<T[]> tensor(int64_t count) {
  std::unique_ptr<T[]> result(new T[count]);
  for (int64_t i = 0; i < count; ++i)
    if constexpr (sizeof(T) == 4)
      result[i] = std::normal_distribution<float>()(random_bits);
    else
      result[i] = static_cast<T>(between(0, 1) << 15 | between(0, 0x3fff));
  return result;
}

DynastProblem random_problem() {
  DynastProblem p = {};
  p.inner = between(0, 1);
  p.frames = between(1, 3);
  p.exemplars = between(0, 1) ? 1 : p.frames;
  p.query_height = p.inner ? between(1, 9) : 2 * between(1, 5);
  p.query_width = p.inner ? between(1, 9) : 2 * between(1, 5);
  p.key_height = between(2, 9);
  p.key_width = between(2, 9);
  p.channels = between(1, 70);
  p.prune_channels = between(1, 20);
  p.value_channels = between(1, 140);
  p.warp_channels = between(0, 4);
  p.matches_k = between(1, 16);
  p.top_k = between(1, std::min(16, p.matches_k * (p.inner ? 5 : 4)));
  p.warp_published = between(0, 1);
  p.temperature = between(0, 1) ? 0.01f : 1.0f;
  return p;
}

template <class T>
void run(const DynastProblem& p, const char* variant) {
  const int64_t queries = int64_t{p.frames} * p.query_height * p.query_width;
  const int64_t keys = int64_t{p.exemplars} * p.key_height * p.key_width;
  const int bound = p.inner ? p.key_height * p.key_width : (p.key_height / 2) * (p.key_width / 2);
  const int64_t match_count = queries / (p.inner ? 1 : 4) * p.matches_k;
  const auto query = tensor<T>(queries * p.channels), query_prune = tensor<T>(queries * p.prune_channels);
  const auto key = tensor<T>(keys * p.channels), key_prune = tensor<T>(keys * p.prune_channels);
  const auto value = tensor<T>(keys * p.value_channels), source = tensor<T>(keys * p.warp_channels);
  const std::unique_ptr<int32_t[]> matches(new int32_t[match_count]);
  for (int64_t i = 0; i < match_count; ++i) matches[i] = between(0, bound - 1);
  const auto attended = tensor<T>(queries * p.value_channels), confidence = tensor<T>(queries);
  const auto warped = tensor<T>(queries * p.warp_channels);
  const std::unique_ptr<int32_t[]> best(new int32_t[queries * p.top_k]);
  const DynastForward forward = {query.get(),      query_prune.get(), key.get(),    key_prune.get(),
                                 value.get(),      matches.get(),     source.get(), attended.get(),
                                 confidence.get(), best.get(),        warped.get()};
  char message[512] = "";
  const auto expect = [&](bool success, int failed) {
    if (success == (failed != 0)) {
      std::printf("%s: %s\n", success ? "refused" : "not refused", message);
      std::exit(1);
    }
  };
  expect(true, dynast_forward(&p, &forward, sizeof(T) == 2, variant, between(1, 3), message, sizeof message));
  for (int64_t i = 0; i < queries * p.top_k; ++i)
    if (best[i] < 0 || best[i] >= p.key_height * p.key_width) std::exit(2);

  if constexpr (sizeof(T) == 4) {
    const auto grad_query = tensor<T>(queries * p.channels), grad_query_prune = tensor<T>(queries * p.prune_channels);
    const auto grad_key = tensor<T>(keys * p.channels), grad_key_prune = tensor<T>(keys * p.prune_channels);
    const auto grad_value = tensor<T>(keys * p.value_channels), grad_source = tensor<T>(keys * p.warp_channels);
    const DynastBackward backward = {
        query.get(),      query_prune.get(),    key.get(),        key_prune.get(),
        value.get(),      matches.get(),        source.get(),     attended.get(),
        confidence.get(), warped.get(),         grad_query.get(), grad_query_prune.get(),
        grad_key.get(),   grad_key_prune.get(), grad_value.get(), p.warp_channels ? grad_source.get() : nullptr};
    expect(true, dynast_backward(&p, &backward, variant, between(1, 3), message, sizeof message));
    matches[match_count - 1] = between(0, 1) ? bound : -1;
    expect(false, dynast_backward(&p, &backward, variant, 1, message, sizeof message));
  }
  matches[match_count - 1] = between(0, 1) ? bound : INT32_MIN;
  expect(false, dynast_forward(&p, &forward, sizeof(T) == 2, variant, 1, message, sizeof message));
}

template <class T>
void run_dense(const char* variant) {
  const int frames = between(1, 2);
  const DynastDense p = {frames,
                         between(0, 1) ? 1 : frames,
                         between(1, 70),
                         between(16, 150),
                         between(1, 70),
                         between(1, 20),
                         between(1, 140),
                         between(1, 16),
                         0.1f};
  const int64_t queries = int64_t{p.frames} * p.query_length, keys = int64_t{p.exemplars} * p.key_length;
  const auto query = tensor<T>(queries * p.channels), query_prune = tensor<T>(queries * p.prune_channels);
  const auto key = tensor<T>(keys * p.channels), key_prune = tensor<T>(keys * p.prune_channels);
  const auto value = tensor<T>(keys * p.value_channels), attended = tensor<T>(queries * p.value_channels);
  const auto confidence = tensor<T>(queries);
  const std::unique_ptr<int32_t[]> best(new int32_t[queries * p.top_k]);
  const DynastDenseForward call = {query.get(), query_prune.get(), key.get(),        key_prune.get(),
                                   value.get(), attended.get(),    confidence.get(), best.get()};
  char message[512] = "";
  if (dynast_dense(&p, &call, sizeof(T) == 2, variant, 2, message, sizeof message)) {
    std::printf("refused: %s\n", message);
    std::exit(1);
  }
  for (int64_t i = 0; i < queries * p.top_k; ++i)
    if (best[i] < 0 || best[i] >= p.key_length) std::exit(2);
}

}  // namespace

int main() {
  int count = 0;
  for (const char* variant : {"plain", "avx2", "avx512"}) {
    if (!dynast_variant(variant)) continue;
    for (int i = 0; i < 30; ++i, ++count) {
      const DynastProblem problem = random_problem();
      run<float>(problem, variant);
      run<uint16_t>(problem, variant);
      run_dense<float>(variant);
      run_dense<uint16_t>(variant);
      run_training_layers(variant, between, tensor<float>);
      run_frame_layers(variant, between, tensor<float>);
    }
    run_large_kernel(variant, between, tensor<float>);
    // Tables so large that one pass reads the keys and another one the values.
    DynastProblem large = {};
    large = {between(0, 1), 2, 1, 6, 4, 50, 50, 1900, 3, 700, 0, 4, 4, 0, 1.0f};
    run<float>(large, variant);
    ++count;
  }
  std::printf("%d layers\n", count);
}
