#include "cuda/launch.h"

#include "cuda/dense.cuh"
#include "cuda/key_sums.cuh"
#include "cuda/sort.cuh"
#include "cuda/start.h"

namespace dynast {
namespace {

constexpr int64_t kMaxBlocks = (int64_t{1} << 31) - 1;

Grid grid_of(const Dimensions& d) {
  return {static_cast<unsigned>(d.x), static_cast<unsigned>(d.y), static_cast<unsigned>(d.z),
          static_cast<unsigned>(d.threads)};
}

// One-dimensional blocks with at least this many threads in all.
Grid grid_for(int64_t threads) {
  return {static_cast<unsigned>((threads + kBlockThreads - 1) / kBlockThreads), 1, 1, kBlockThreads};
}

// Calls `f` with a value of the storage type.
template <class F>
const char* with_type(StorageType type, F f) {
  switch (type) {
    case kHalf:
      return f(Half());
    case kBfloat:
      return f(Bfloat());
    default:
      return f(0.0f);
  }
}

template <class T, int kTeam>
__global__ void __launch_bounds__(kBlockThreads, 4) forward_kernel(DynastProblem p, Tensors<T> t) {
  attend<T, kTeam>(p, t);
}

template <class T, int kTeam>
__global__ void __launch_bounds__(kBlockThreads, 4)
    backward_kernel(DynastProblem p, BackwardTensors<T> t, Candidates c) {
  differentiate<T, kTeam>(p, t, c);
}

// The input addresses of any call, in the type of its tensors.
template <class T, class Call>
Tensors<T> inputs_of(const Call& call) {
  const auto in = [](const void* address) { return static_cast<const T*>(address); };
  return {in(call.query), in(call.query_prune), in(call.key), in(call.key_prune),
          in(call.value), call.matches,         nullptr,      nullptr,
          nullptr,        in(call.warp_source), nullptr};
}

template <class T>
Tensors<T> tensors_of(const DynastForward& call) {
  Tensors<T> t = inputs_of<T>(call);
  t.attended = static_cast<T*>(call.attended);
  t.confidence = static_cast<T*>(call.confidence);
  t.next_matches = call.next_matches;
  t.warped = static_cast<T*>(call.warped);
  return t;
}

template <class T>
void start_forward(const DynastProblem& p, const DynastForward& call, int team, Stream stream) {
  const Grid grid = grid_of(forward_dimensions(p, team));
  const Tensors<T> t = tensors_of<T>(call);
  start(stream, grid,
        team == 8    ? forward_kernel<T, 8>
        : team == 16 ? forward_kernel<T, 16>
                     : forward_kernel<T, 32>,
        p, t);
}

template <class T>
BackwardTensors<T> backward_tensors(const DynastProblem& p, const DynastGpuBackward& call) {
  const auto in = [](const void* address) { return static_cast<const T*>(address); };
  BackwardTensors<T> t = {inputs_of<T>(call),
                          in(call.grad_attended),
                          in(call.grad_confidence),
                          in(call.grad_warped),
                          call.grad_query,
                          call.grad_query_prune,
                          {in(call.query), in(call.query_prune), in(call.grad_attended), in(call.grad_warped)},
                          {call.grad_key, call.grad_key_prune, call.grad_value, call.grad_warp_source},
                          {p.channels, p.prune_channels, p.value_channels, p.warp_channels}};
  for (int side = 0; side < kSides; ++side)
    if (!t.sums[side]) t.channels[side] = 0;
  return t;
}

int64_t total_candidates(const DynastProblem& p) { return int64_t{p.frames} * query_length(p) * candidate_count(p); }

// The parts of the workspace, one after the other.
struct Workspace {
  Candidates candidates;
  uint32_t *keys[2], *items[2];  // before and after a pass of the sort
  uint32_t* tile_digits;
  float* parts;
  int64_t bytes;

  Workspace(const DynastProblem& p, char* memory) {
    char* next = memory;
    const auto take = [&next](int64_t size) {
      char* taken = next;
      next += (size + 255) / 256 * 256;
      return taken;
    };
    const int64_t count = total_candidates(p);
    const auto numbers = [&take](int64_t size) { return reinterpret_cast<uint32_t*>(take(size * 4)); };
    candidates.factors = reinterpret_cast<Factors*>(take(count * sizeof(Factors)));
    for (int i = 0; i < 2; ++i) keys[i] = numbers(count);
    for (int i = 0; i < 2; ++i) items[i] = numbers(count);
    tile_digits = numbers(kDigits * tile_count(count));
    const int width = padded_channels(p.channels) + padded_channels(p.prune_channels) +
                      padded_channels(p.value_channels) + padded_channels(p.warp_channels);
    parts = reinterpret_cast<float*>(take(segment_count(count) * 2 * width * 4));
    candidates.keys = keys[0];
    candidates.dropped = static_cast<uint32_t>(p.exemplars) * static_cast<uint32_t>(key_length(p));
    bytes = next - memory;
  }
};

// Sorts the candidates by key. Returns which of the two arrays of keys and items has the result.
int sort_candidates(const Workspace& work, int64_t count, Stream stream) {
  const uint32_t tiles = static_cast<uint32_t>(tile_count(count));
  const Grid grid = {tiles, 1, 1, kBlockThreads}, one_block = {1, 1, 1, kBlockThreads};
  const int passes = pass_count(work.candidates.dropped);
  for (int i = 0; i < passes; ++i) {
    const int from = i % 2, to = 1 - from;
    const SortPass pass = {work.keys[from],  i == 0 ? nullptr : work.items[from], work.keys[to], work.items[to],
                           work.tile_digits, static_cast<uint32_t>(count),        tiles,         i * kDigitBits};
    start(stream, grid, count_digits, pass);
    start(stream, one_block, sum_up, work.tile_digits, tiles * kDigits);
    start(stream, grid, move_items, pass);
  }
  return passes % 2;
}

template <class T>
void sum_by_key(const DynastProblem& p, const BackwardTensors<T>& t, const Workspace& work, Stream stream) {
  const int64_t count = total_candidates(p);
  const int sorted = sort_candidates(work, count, stream);
  Sorted s = {work.keys[sorted],
              work.items[sorted],
              work.candidates.factors,
              static_cast<uint32_t>(count),
              work.candidates.dropped,
              candidate_count(p),
              work.parts,
              0};
  for (int side = 0; side < kSides; ++side) s.width += padded_channels(t.channels[side]);
  const Grid grid = grid_for(segment_count(count) * 32);
  start(stream, grid, sum_segments<T>, t, s);
  start(stream, grid, join_segments<T>, t, s);
}

template <class T>
void start_backward(const DynastProblem& p, const DynastGpuBackward& call, bool atomic, void* workspace,
                    Stream stream) {
  const BackwardTensors<T> t = backward_tensors<T>(p, call);
  bool any_key = false;
  for (int side = 0; side < kSides; ++side)
    if (t.channels[side]) {
      any_key = true;
      zero(stream, t.sums[side], size_t(p.exemplars) * key_length(p) * t.channels[side] * sizeof(float));
    }
  const Workspace work(p, static_cast<char*>(workspace));
  const int team = candidate_count(p) <= team_capacity(16) ? 16 : 32;
  start(stream, grid_of(forward_dimensions(p, team)), team == 16 ? backward_kernel<T, 16> : backward_kernel<T, 32>, p,
        t, atomic ? Candidates{} : work.candidates);
  if (!atomic && any_key) sum_by_key(p, t, work, stream);
}

}  // namespace

int forward_team(const DynastProblem& p, StorageType type) {
  const int pieces = p.channels * (type == kFloat ? 4 : 2) / 16;
  int team = 8;
  while (team < 32 && (team_capacity(team) < candidate_count(p) || 2 * team <= pieces)) team *= 2;
  return team;
}

Dimensions forward_dimensions(const DynastProblem& p, int team) {
  return {(team_count(p) * team + kBlockThreads - 1) / kBlockThreads, 1, 1, kBlockThreads};
}

Dimensions dense_dimensions(const DynastDense& p) {
  return {(p.query_length + kDenseQueries - 1) / kDenseQueries, (p.value_channels + kDenseValues - 1) / kDenseValues,
          p.frames, kDenseThreads};
}

const char* gpu_forward(const DynastProblem& p, const DynastForward& call, StorageType type, int team, void* stream) {
  if (team == 0) team = forward_team(p, type);
  if (team_capacity(team) < candidate_count(p)) return "the team is too small for so many candidates";
  if (forward_dimensions(p, team).x > kMaxBlocks) return "too many queries for one launch";
  return with_type(type, [&](auto number) {
    start_forward<decltype(number)>(p, call, team, static_cast<Stream>(stream));
    return last_error();
  });
}

const char* gpu_dense(const DynastDense& p, const DynastDenseForward& call, StorageType type, void* stream) {
  if (p.frames > 65535) return "too many frames for one launch";
  return with_type(type, [&](auto number) {
    using T = decltype(number);
    const auto in = [](const void* address) { return static_cast<const T*>(address); };
    const DenseTensors<T> t = {in(call.query),
                               in(call.query_prune),
                               in(call.key),
                               in(call.key_prune),
                               in(call.value),
                               static_cast<T*>(call.attended),
                               static_cast<T*>(call.confidence),
                               call.next_matches};
    start(static_cast<Stream>(stream), grid_of(dense_dimensions(p)), attend_to_all<T>, p, t);
    return last_error();
  });
}

int64_t backward_workspace(const DynastProblem& p, bool atomic) { return atomic ? 0 : Workspace(p, nullptr).bytes; }

const char* gpu_backward(const DynastProblem& p, const DynastGpuBackward& call, StorageType type, bool atomic,
                         void* workspace, void* stream) {
  if (total_candidates(p) > kMaxBlocks) return "too many candidates for one backward pass";
  return with_type(type, [&](auto number) {
    start_backward<decltype(number)>(p, call, atomic, workspace, static_cast<Stream>(stream));
    return last_error();
  });
}

}  // namespace dynast
