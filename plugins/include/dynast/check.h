// Checks that make a read out of bounds impossible, for every entry point of the kernels: C interface, ONNX Runtime
// operators, TensorRT plugin.
//
// Each writes one line to `message`, which has room for `size` characters: what is wrong, or an empty string.
#pragma once

#include <cstdio>
#include <initializer_list>

#include "dynast/problem.h"

DYNAST_BEGIN

// No tensor may have more elements than this, so that no index overflows.
constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int64_t kMaxTokens = (int64_t{1} << 31) - 1;

// The numbers of a problem.
inline void check_problem(const DynastProblem& p, char* message, int size) {
  message[0] = '\0';
  const struct {
    const char* name;
    int32_t number;
  } positive[] = {{"the number of frames", p.frames},
                  {"the number of exemplars", p.exemplars},
                  {"the query map's height", p.query_height},
                  {"query_width", p.query_width},
                  {"the key map's height", p.key_height},
                  {"key_width", p.key_width},
                  {"the number of query channels", p.channels},
                  {"the number of prune channels", p.prune_channels},
                  {"the number of value channels", p.value_channels},
                  {"the number of matches", p.matches_k},
                  {"top_k", p.top_k}};
  for (const auto& [name, number] : positive)
    if (number < 1) {
      std::snprintf(message, size, "%s has to be at least 1, not %d", name, number);
      return;
    }
  // A product of three 32-bit numbers may not fit in 64 bits, so it is compared before the last multiplication.
  const auto tokens = [](int64_t batch, int64_t height, int64_t width) {
    return height * width > kMaxTokens ? kMaxTokens + 1 : batch * (height * width);
  };
  const int64_t query_tokens = tokens(p.frames, p.query_height, p.query_width);
  const int64_t key_tokens = tokens(p.exemplars, p.key_height, p.key_width);
  int64_t widest = p.channels;
  for (const int32_t channels : {p.prune_channels, p.value_channels, p.warp_channels})
    widest = channels > widest ? channels : widest;
  if (query_tokens > kMaxTokens || key_tokens > kMaxTokens || query_tokens * widest > kMaxElements ||
      key_tokens * widest > kMaxElements)
    std::snprintf(message, size, "%lld queries and %lld keys of up to %lld channels are too many",
                  static_cast<long long>(query_tokens), static_cast<long long>(key_tokens),
                  static_cast<long long>(widest));
  else if (p.exemplars != 1 && p.exemplars != p.frames)
    std::snprintf(message, size, "%d exemplars for %d frames: there has to be 1, or one for each frame", p.exemplars,
                  p.frames);
  else if (p.matches_k > kMaxTopK || p.top_k > kMaxTopK)
    std::snprintf(message, size, "top_k %d after %d matches: at most %d are supported", p.top_k, p.matches_k, kMaxTopK);
  else if (p.top_k > candidate_count(p))
    std::snprintf(message, size, "top_k %d is more than the %d candidates of a query", p.top_k, candidate_count(p));
  else if (!p.inner && (p.query_height % 2 || p.query_width % 2))
    std::snprintf(message, size, "a query map of %d x %d (height x width) has no 2 x 2 windows", p.query_height,
                  p.query_width);
  else if (!p.inner && matches_bound(p) == 0)
    std::snprintf(message, size, "a key map of %d x %d (height x width) has no parent map", p.key_height, p.key_width);
  else if (!(p.temperature > 0.0f) || !(1.0f / p.temperature < 3e38f))
    std::snprintf(message, size, "temperature has to be positive, not %g", p.temperature);
  else if (p.warp_channels < 0)
    std::snprintf(message, size, "the number of warp channels is %d", p.warp_channels);
}

// The same for dense attention.
inline void check_dense(const DynastDense& p, char* message, int size) {
  if (p.top_k > p.key_length) {
    std::snprintf(message, size, "top_k %d is more than the %d keys", p.top_k, p.key_length);
    return;
  }
  // The same limits as for an inner-scale layer on maps of one row, with the largest number of matches.
  check_problem({1, p.frames, p.exemplars, 1, p.query_length, 1, p.key_length, p.channels, p.prune_channels,
                 p.value_channels, 0, kMaxTopK, p.top_k, 0, p.temperature},
                message, size);
}

// The values of the matches, of a problem that passed its check.
inline void check_matches(const DynastProblem& p, const int32_t* matches, char* message, int size) {
  message[0] = '\0';
  const int64_t count = int64_t{p.frames} * matches_length(p) * p.matches_k;
  const uint32_t bound = static_cast<uint32_t>(matches_bound(p));
  uint32_t largest = 0;  // a negative match becomes a large number
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t match = static_cast<uint32_t>(matches[i]);
    largest = match > largest ? match : largest;
  }
  if (largest < bound) return;
  for (int64_t i = 0; i < count; ++i)
    if (static_cast<uint32_t>(matches[i]) >= bound) {
      std::snprintf(message, size, "matches[%lld, %lld, %lld] is %d, which is not a key of a map of %u",
                    static_cast<long long>(i / p.matches_k / matches_length(p)),
                    static_cast<long long>(i / p.matches_k % matches_length(p)),
                    static_cast<long long>(i % p.matches_k), matches[i], bound);
      return;
    }
}

DYNAST_END
