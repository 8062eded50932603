// Forward pass on a GPU: a group of 8, 16 or 32 threads of a warp for each query.
//
// Threads share a row's channels, 16 bytes each, so that a candidate's key and value are read in whole sectors, once
// by its query. The queries of a 2x2 window are neighbours in a warp: at a coarser match they have all candidates in
// common, within a layer most of them, and a row that several groups read at once travels once. No shared memory,
// no atomics; sums are taken in a fixed order.
#pragma once

#include "dynast/arithmetic.h"
#include "dynast/candidates.h"
#include "dynast/half.h"

DYNAST_BEGIN

constexpr int kBlockThreads = 128;
constexpr float kLowest = -3.402823466e38f;

// Candidates that a team of this size can keep.
DYNAST_INLINE constexpr int team_capacity(int team) { return 3 * team; }
static_assert(team_capacity(32) >= kMaxCandidates, "the largest team serves every top_k");

// The threads that work on one query. `lane` counts within the group.
template <int kSize>
struct Team {
  int lane;
  unsigned mask;

  __device__ Team() {
    lane = threadIdx.x % kSize;
    const int first = threadIdx.x % 32 / kSize * kSize;
    mask = (kSize == 32 ? ~0u : (1u << kSize % 32) - 1u) << first;
  }
  template <class T>
  __device__ T from(T x, int lane_of) const {
    return __shfl_sync(mask, x, lane_of, kSize);
  }
  template <class T>
  __device__ T across(T x, int distance) const {
    return __shfl_xor_sync(mask, x, distance, kSize);
  }
  __device__ float sum(float x) const {
#pragma unroll
    for (int distance = kSize / 2; distance > 0; distance /= 2) x += across(x, distance);
    return x;
  }
  __device__ float largest(float x) const {
#pragma unroll
    for (int distance = kSize / 2; distance > 0; distance /= 2) x = fmaxf(x, across(x, distance));
    return x;
  }
};

// Sixteen bytes of a row, as floats.
template <class T>
struct Piece {
  static constexpr int kSize = 16 / sizeof(T);
  float x[kSize];

  __device__ explicit Piece(const T* from) {
    const uint4 raw = __ldg(reinterpret_cast<const uint4*>(from));
    T elements[kSize];
    memcpy(elements, &raw, 16);
#pragma unroll
    for (int i = 0; i < kSize; ++i) x[i] = to_float(elements[i]);
  }
};

// This thread's part of a dot product.
template <class T, int kTeam>
__device__ float partial_dot(const Team<kTeam>& team, const T* a, const T* b, int channels) {
  float sum = 0.0f;
  if (channels % Piece<T>::kSize == 0) {
    for (int c = team.lane * Piece<T>::kSize; c < channels; c += kTeam * Piece<T>::kSize) {
      const Piece<T> x(a + c), y(b + c);
#pragma unroll
      for (int i = 0; i < Piece<T>::kSize; ++i) sum += x.x[i] * y.x[i];
    }
  } else {  // rows that do not begin at multiples of 16 bytes
    for (int c = team.lane; c < channels; c += kTeam) sum += to_float(a[c]) * to_float(b[c]);
  }
  return sum;
}

// What a thread knows of the candidates it keeps: slots `lane`, `lane + kTeam`, ... Beyond the last the logit is
// the lowest number and the weight 0. With 3 slots the numbers stay in registers; more candidates need larger teams.
template <int kTeam>
struct Share {
  static constexpr int kSlots = 3;
  int32_t keys[kSlots];
  float logits[kSlots];
  float weights[kSlots];
  unsigned kept = 0;  // bit s: the mask keeps candidate s
};

// Weights from logits: softmax over the team's candidates, 0 for those that are not kept. Returns the confidence.
template <int kTeam>
__device__ float weigh(const Team<kTeam>& team, Share<kTeam>& share) {
  float most = kLowest, total = 0.0f, confidence = 0.0f;
#pragma unroll
  for (int s = 0; s < Share<kTeam>::kSlots; ++s) most = fmaxf(most, share.logits[s]);
  most = team.largest(most);
#pragma unroll
  for (int s = 0; s < Share<kTeam>::kSlots; ++s) {
    share.weights[s] = expf(share.logits[s] - most);
    total += share.weights[s];
  }
  const float scale = 1.0f / team.sum(total);
#pragma unroll
  for (int s = 0; s < Share<kTeam>::kSlots; ++s) {
    share.weights[s] = share.kept >> s & 1u ? share.weights[s] * scale : 0.0f;
    confidence += share.weights[s];
  }
  return team.sum(confidence);
}

// The keys of the `top_k` largest logits; of equal ones the earlier slot wins.
template <int kTeam>
__device__ void rank(const Team<kTeam>& team, const Share<kTeam>& share, int count, int top_k, int32_t* best) {
  unsigned taken = 0;
#pragma unroll
  for (int s = 0; s < Share<kTeam>::kSlots; ++s) taken |= (s * kTeam + team.lane >= count ? 1u : 0u) << s;
  for (int k = 0; k < top_k; ++k) {
    float logit = kLowest;
    int slot = kMaxCandidates;
    int32_t key = 0;
#pragma unroll
    for (int s = 0; s < Share<kTeam>::kSlots; ++s)
      if (!(taken >> s & 1u) && (slot == kMaxCandidates || share.logits[s] > logit)) {
        logit = share.logits[s];
        slot = s * kTeam + team.lane;
        key = share.keys[s];
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

// attended[c] = sum of weight * value[c] for the channels of this thread.
template <class T, int kTeam>
__device__ void sum_values(const Team<kTeam>& team, const Share<kTeam>& share, int count, const T* value, int channels,
                           T* attended) {
  constexpr int kPiece = Piece<T>::kSize;
  const bool whole = channels % kPiece == 0;
  const int step = whole ? kPiece : 1;
  // Every thread goes through every round: the exchanges need all of them.
  for (int first = 0; first < channels; first += kTeam * step) {
    const int c = first + team.lane * step;
    float sums[kPiece] = {};
#pragma unroll
    for (int s = 0; s < Share<kTeam>::kSlots; ++s)
      for (int owner = 0; owner < kTeam && s * kTeam + owner < count; ++owner) {
        const float weight = team.from(share.weights[s], owner);
        const int64_t key = team.from(share.keys[s], owner);
        if (weight == 0.0f || c >= channels) continue;
        if (whole) {
          const Piece<T> x(value + key * channels + c);
#pragma unroll
          for (int i = 0; i < kPiece; ++i) sums[i] += weight * x.x[i];
        } else {
          sums[0] += weight * to_float(value[key * channels + c]);
        }
      }
    if (c >= channels) continue;
    if (whole) {
      T elements[kPiece];
#pragma unroll
      for (int i = 0; i < kPiece; ++i) from_float(sums[i], elements[i]);
      uint4 raw;
      memcpy(&raw, elements, 16);
      *reinterpret_cast<uint4*>(attended + c) = raw;
    } else {
      from_float(sums[0], attended[c]);
    }
  }
}

template <class T>
struct Tensors {
  const T *query, *query_prune, *key, *key_prune, *value;
  const int32_t* matches;
  T *attended, *confidence;
  int32_t* next_matches;
};

// Teams of a launch. Maps with an odd side have windows that are not full.
DYNAST_INLINE int64_t team_count(const DynastProblem& p) {
  return static_cast<int64_t>(p.frames) * ((p.query_height + 1) / 2) * ((p.query_width + 1) / 2) * 4;
}

template <class T, int kTeam>
__device__ void attend(const DynastProblem& p, const Tensors<T>& t) {
  const Team<kTeam> team;
  const int64_t index = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / kTeam;
  if (index >= team_count(p)) return;
  const int windows_across = (p.query_width + 1) / 2;
  const int64_t windows = static_cast<int64_t>((p.query_height + 1) / 2) * windows_across;
  const int frame = static_cast<int>(index / 4 / windows);
  const int window = static_cast<int>(index / 4 % windows);
  const int y = window / windows_across * 2 + static_cast<int>(index % 4) / 2;
  const int x = window % windows_across * 2 + static_cast<int>(index % 2);
  if (y >= p.query_height || x >= p.query_width) return;

  const int64_t query = static_cast<int64_t>(frame) * query_length(p) + y * p.query_width + x;
  const int64_t tokens = p.exemplars == 1 ? 0 : static_cast<int64_t>(frame) * key_length(p);
  const T* key = t.key + tokens * p.channels;
  const T* key_prune = t.key_prune + tokens * p.prune_channels;
  const int32_t* matches = t.matches + static_cast<int64_t>(frame) * matches_length(p) * p.matches_k;
  if (!p.inner) matches += static_cast<int64_t>(window) * p.matches_k;

  const int count = candidate_count(p);
  const float scale = 1.0f / p.temperature;
  Share<kTeam> share;
#pragma unroll
  for (int s = 0; s < Share<kTeam>::kSlots; ++s) {
    const int slot = s * kTeam + team.lane;
    share.logits[s] = kLowest;
    share.keys[s] = 0;
    if (slot < count)
      share.keys[s] = p.inner ? inner_candidate(p, matches, y, x, slot) : inter_candidate(p, matches, slot);
    for (int owner = 0; owner < kTeam && s * kTeam + owner < count; ++owner) {
      const int64_t candidate = team.from(share.keys[s], owner);
      const float dot =
          team.sum(partial_dot(team, t.query + query * p.channels, key + candidate * p.channels, p.channels));
      const float prune = team.sum(partial_dot(team, t.query_prune + query * p.prune_channels,
                                               key_prune + candidate * p.prune_channels, p.prune_channels));
      if (owner == team.lane) {
        share.logits[s] = dot * scale;
        share.kept |= (is_kept(prune) ? 1u : 0u) << s;
      }
    }
  }
  const float confidence = weigh(team, share);
  if (team.lane == 0) from_float(confidence, t.confidence[query]);
  sum_values(team, share, count, t.value + tokens * p.value_channels, p.value_channels,
             t.attended + query * p.value_channels);
  rank(team, share, count, p.top_k, t.next_matches + query * p.top_k);
}

DYNAST_END
