// A query's candidates, distributed over the threads of a team: their keys, dot products, softmax, sums and ranking.
#pragma once

#include "cuda/team.cuh"
#include "dynast/candidates.h"

DYNAST_BEGIN

// Candidates that one thread keeps. With 3, their numbers stay in registers; more candidates need larger teams.
constexpr int kSlotsPerThread = 3;

// Candidates that a team of this size can keep.
DYNAST_INLINE constexpr int team_capacity(int team) { return kSlotsPerThread * team; }
static_assert(team_capacity(32) >= kMaxCandidates, "the largest team serves every top_k");

// One number for each candidate of a query, of which this thread has those of slots `lane`, `lane + kTeam`, ...
template <class Number>
using PerThread = Number[kSlotsPerThread];

// Sends a slot's number from the thread that has it to the whole team. One loop serves all slots, since separate code
// for each of a thread's numbers would be three times as long. The numbers are read before one is chosen: otherwise the
// compiler turns the choice into an index and keeps the array in memory.
template <int kTeam, class Number>
__device__ Number slot_value(const Team<kTeam>& team, const Number (&share)[kSlotsPerThread], int slot) {
  static_assert(kSlotsPerThread == 3, "three numbers to choose from");
  const Number first = share[0], second = share[1], third = share[2];
  const int s = slot / kTeam;
  return team.from(s == 0 ? first : s == 1 ? second : third, slot % kTeam);
}

// Teams of a launch. Maps with an odd side have windows that are not full, with idle teams.
DYNAST_INLINE int64_t team_count(const DynastProblem& p) {
  return static_cast<int64_t>(p.frames) * ((p.query_height + 1) / 2) * ((p.query_width + 1) / 2) * 4;
}

// The query of one team. Queries of a 2x2 window are neighbours in a warp: inter-scale they share all candidates,
// inner-scale most of them, and a row that several teams of a warp read together is transferred once.
struct QueryPosition {
  bool exists;
  int frame, window, y, x;
  int64_t query;   // row of the query tensor, counted over all frames
  int64_t tokens;  // first row of the frame's keys

  __device__ QueryPosition(const DynastProblem& p, int64_t team) {
    const int windows_across = (p.query_width + 1) / 2;
    const int64_t windows = static_cast<int64_t>((p.query_height + 1) / 2) * windows_across;
    frame = static_cast<int>(team / 4 / windows);
    window = static_cast<int>(team / 4 % windows);
    y = window / windows_across * 2 + static_cast<int>(team % 4) / 2;
    x = window % windows_across * 2 + static_cast<int>(team % 2);
    exists = team < team_count(p) && y < p.query_height && x < p.query_width;
    query = static_cast<int64_t>(frame) * query_length(p) + y * p.query_width + x;
    tokens = p.exemplars == 1 ? 0 : static_cast<int64_t>(frame) * key_length(p);
  }
};

template <int kTeam>
__device__ int64_t team_index() {
  return (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / kTeam;
}

// Keys of the candidates. Beyond the last one, key 0, which always exists.
template <int kTeam>
__device__ void find_candidates(const DynastProblem& p, const Team<kTeam>& team, const QueryPosition& position,
                                const int32_t* matches, PerThread<int32_t>& keys) {
  matches += static_cast<int64_t>(position.frame) * matches_length(p) * p.matches_k;
  if (!p.inner) matches += static_cast<int64_t>(position.window) * p.matches_k;
  const ClampedMatches inside = {matches, matches_bound(p)};
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) {
    const int slot = s * kTeam + team.lane;
    keys[s] = 0;
    if (slot < candidate_count(p))
      keys[s] = p.inner ? inner_candidate(p, inside, position.y, position.x, slot) : inter_candidate(p, inside, slot);
  }
}

constexpr int kBatch = 4;  // candidates whose rows are read together

// products = row . table[key] for each candidate. Beyond the last candidate they are undefined.
template <class T, int kTeam>
__device__ void dot_candidates(const Team<kTeam>& team, const PerThread<int32_t>& keys, int count, const T* row,
                               const T* table, int channels, PerThread<float>& products) {
  constexpr int kPack = Pack<T>::kSize;
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) products[s] = 0.0f;
  for (int slot = 0; slot < count; slot += kBatch) {
    const T* rows[kBatch];
    float sums[kBatch] = {};
#pragma unroll
    for (int i = 0; i < kBatch; ++i)
      rows[i] = table + static_cast<int64_t>(slot_value(team, keys, slot + i)) * channels;
    if (rows_aligned<T>(channels)) {
      for (int c = team.lane * kPack; c < channels; c += kTeam * kPack) {
        const Pack<T> x(row + c);
#pragma unroll
        for (int i = 0; i < kBatch; ++i) {
          const Pack<T> y(rows[i] + c);
#pragma unroll
          for (int j = 0; j < kPack; ++j) sums[i] += x.x[j] * y.x[j];
        }
      }
    } else {  // rows that are not aligned
      for (int c = team.lane; c < channels; c += kTeam) {
        const float x = to_float(row[c]);
#pragma unroll
        for (int i = 0; i < kBatch; ++i) sums[i] += x * to_float(rows[i][c]);
      }
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const float product = team.sum(sums[i]);
#pragma unroll
      for (int s = 0; s < kSlotsPerThread; ++s)
        if (slot + i == s * kTeam + team.lane) products[s] = product;
    }
  }
}

// Softmax over all candidates. Beyond the last candidate logits have to be `kLowest`; their weights are 0.
template <int kTeam>
__device__ void softmax(const Team<kTeam>& team, const PerThread<float>& logits, PerThread<float>& weights) {
  float largest = kLowest, total = 0.0f;
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) largest = fmaxf(largest, logits[s]);
  largest = team.largest(largest);
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) {
    weights[s] = expf(logits[s] - largest);
    total += weights[s];
  }
  const float scale = 1.0f / team.sum(total);
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) weights[s] *= scale;
}

// total[c] = sum of weights * table[key][c], of which this thread computes its channels. A row with weight 0 is not
// read.
template <class T, int kTeam, class Total>
__device__ void sum_candidates(const Team<kTeam>& team, const PerThread<int32_t>& keys, const PerThread<float>& weights,
                               int count, const T* table, int channels, Total* total) {
  constexpr int kPack = Pack<T>::kSize;
  const bool whole = rows_aligned<T>(channels);
  const int step = whole ? kPack : 1;
  // Every thread executes every iteration, since the exchanges need all threads.
  for (int first = 0; first < channels; first += kTeam * step) {
    const int c = first + team.lane * step;
    float sums[kPack] = {};
    for (int slot = 0; slot < count; slot += kBatch) {
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        const float weight = slot_value(team, weights, slot + i);
        const T* row = table + static_cast<int64_t>(slot_value(team, keys, slot + i)) * channels + c;
        if (weight == 0.0f || c >= channels) continue;
        if (whole) {
          const Pack<T> x(row);
#pragma unroll
          for (int j = 0; j < kPack; ++j) sums[j] += weight * x.x[j];
        } else {
          sums[0] += weight * to_float(*row);
        }
      }
    }
    if (c >= channels) continue;
    if (whole)
      store_pack(sums, total + c);
    else
      from_float(sums[0], total[c]);
  }
}

// The keys of the `top_k` largest logits. Of equal logits the earlier slot ranks first.
template <int kTeam>
__device__ void rank(const Team<kTeam>& team, const PerThread<int32_t>& keys, const PerThread<float>& logits, int count,
                     int top_k, int32_t* best) {
  unsigned taken = 0;
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) taken |= (s * kTeam + team.lane >= count ? 1u : 0u) << s;
  for (int k = 0; k < top_k; ++k) {
    float logit = kLowest;
    int slot = kMaxCandidates;
    int32_t key = 0;
#pragma unroll
    for (int s = 0; s < kSlotsPerThread; ++s)
      if (!(taken >> s & 1u) && (slot == kMaxCandidates || logits[s] > logit)) {
        logit = logits[s];
        slot = s * kTeam + team.lane;
        key = keys[s];
      }
#pragma unroll
    for (int distance = kTeam / 2; distance > 0; distance /= 2) {
      const float other_logit = team.across(logit, distance);
      const int other_slot = team.across(slot, distance);
      const int32_t other_key = team.across(key, distance);
      const bool better = other_logit > logit || (!(logit > other_logit) && other_slot < slot);
      if (slot == kMaxCandidates || (other_slot != kMaxCandidates && better)) {
        logit = other_logit;
        slot = other_slot;
        key = other_key;
      }
    }
    if (team.lane == 0) best[k] = key;
    if (slot % kTeam == team.lane) taken |= 1u << slot / kTeam;
  }
}

DYNAST_END
