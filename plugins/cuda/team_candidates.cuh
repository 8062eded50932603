// A query's candidates, spread over the threads of a team: found, scored, weighed, ranked and summed.
#pragma once

#include "cuda/team.cuh"
#include "dynast/candidates.h"
#include "dynast/mask.h"

DYNAST_BEGIN

// Candidates that one thread keeps. With 3 the numbers stay in registers; more candidates need larger teams.
constexpr int kShare = 3;

// Candidates that a team of this size can keep.
DYNAST_INLINE constexpr int team_capacity(int team) { return kShare * team; }
static_assert(team_capacity(32) >= kMaxCandidates, "the largest team serves every top_k");

// One number for each candidate of a query: this thread has those of slots `lane`, `lane + kTeam`, ...
template <class Number>
using Share = Number[kShare];

// A slot's number, which its owner holds, for the whole team. All slots go through one loop, since code for each of
// the thread's numbers would be three times as long. The numbers are read before the choice between them, or the
// compiler makes an index of the choice and keeps the array in memory.
template <int kTeam, class Number>
__device__ Number of_slot(const Team<kTeam>& team, const Number (&share)[kShare], int slot) {
  static_assert(kShare == 3, "three numbers to choose from");
  const Number first = share[0], second = share[1], third = share[2];
  const int s = slot / kTeam;
  return team.from(s == 0 ? first : s == 1 ? second : third, slot % kTeam);
}

// Teams of a launch. Maps with an odd side have windows that are not full.
DYNAST_INLINE int64_t team_count(const DynastProblem& p) {
  return static_cast<int64_t>(p.frames) * ((p.query_height + 1) / 2) * ((p.query_width + 1) / 2) * 4;
}

// The query that a team works on. Queries of a 2x2 window are neighbours in a warp: at a coarser match they have
// all candidates in common, within a layer most of them, and a row that several teams read at once travels once.
struct Place {
  bool exists;
  int frame, window, y, x;
  int64_t query;   // row of the query tensor, all frames counted through
  int64_t tokens;  // first row of the frame's keys

  __device__ Place(const DynastProblem& p, int64_t team) {
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

// Keys of the candidates; 0 beyond the last, a row that exists.
template <int kTeam>
__device__ void find_candidates(const DynastProblem& p, const Team<kTeam>& team, const Place& place,
                                const int32_t* matches, Share<int32_t>& keys) {
  matches += static_cast<int64_t>(place.frame) * matches_length(p) * p.matches_k;
  if (!p.inner) matches += static_cast<int64_t>(place.window) * p.matches_k;
  const ClampedMatches inside = {matches, matches_bound(p)};
#pragma unroll
  for (int s = 0; s < kShare; ++s) {
    const int slot = s * kTeam + team.lane;
    keys[s] = 0;
    if (slot < candidate_count(p))
      keys[s] = p.inner ? inner_candidate(p, inside, place.y, place.x, slot) : inter_candidate(p, inside, slot);
  }
}

constexpr int kBatch = 4;  // candidates whose rows are read at the same time

// products = row . table[key] for each candidate. Beyond the last candidate they mean nothing.
template <class T, int kTeam>
__device__ void dot_candidates(const Team<kTeam>& team, const Share<int32_t>& keys, int count, const T* row,
                               const T* table, int channels, Share<float>& products) {
  constexpr int kPiece = Piece<T>::kSize;
#pragma unroll
  for (int s = 0; s < kShare; ++s) products[s] = 0.0f;
  for (int slot = 0; slot < count; slot += kBatch) {
    const T* rows[kBatch];
    float sums[kBatch] = {};
#pragma unroll
    for (int i = 0; i < kBatch; ++i) rows[i] = table + static_cast<int64_t>(of_slot(team, keys, slot + i)) * channels;
    if (in_pieces<T>(channels)) {
      for (int c = team.lane * kPiece; c < channels; c += kTeam * kPiece) {
        const Piece<T> x(row + c);
#pragma unroll
        for (int i = 0; i < kBatch; ++i) {
          const Piece<T> y(rows[i] + c);
#pragma unroll
          for (int j = 0; j < kPiece; ++j) sums[i] += x.x[j] * y.x[j];
        }
      }
    } else {  // rows that do not begin at multiples of 16 bytes
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
      for (int s = 0; s < kShare; ++s)
        if (slot + i == s * kTeam + team.lane) products[s] = product;
    }
  }
}

// Softmax over all candidates. Beyond the last candidate the logits have to be `kLowest`; the weights are 0 there.
template <int kTeam>
__device__ void softmax(const Team<kTeam>& team, const Share<float>& logits, Share<float>& weights) {
  float most = kLowest, total = 0.0f;
#pragma unroll
  for (int s = 0; s < kShare; ++s) most = fmaxf(most, logits[s]);
  most = team.largest(most);
#pragma unroll
  for (int s = 0; s < kShare; ++s) {
    weights[s] = expf(logits[s] - most);
    total += weights[s];
  }
  const float scale = 1.0f / team.sum(total);
#pragma unroll
  for (int s = 0; s < kShare; ++s) weights[s] *= scale;
}

// total[c] = sum of weights * table[key][c], of which this thread computes its channels. A weight of zero adds
// nothing, so its row is not even read.
template <class T, int kTeam, class Total>
__device__ void sum_candidates(const Team<kTeam>& team, const Share<int32_t>& keys, const Share<float>& weights,
                               int count, const T* table, int channels, Total* total) {
  constexpr int kPiece = Piece<T>::kSize;
  const bool whole = in_pieces<T>(channels);
  const int step = whole ? kPiece : 1;
  // Every thread goes through every round: the exchanges need all of them.
  for (int first = 0; first < channels; first += kTeam * step) {
    const int c = first + team.lane * step;
    float sums[kPiece] = {};
    for (int slot = 0; slot < count; slot += kBatch) {
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        const float weight = of_slot(team, weights, slot + i);
        const T* row = table + static_cast<int64_t>(of_slot(team, keys, slot + i)) * channels + c;
        if (weight == 0.0f || c >= channels) continue;
        if (whole) {
          const Piece<T> x(row);
#pragma unroll
          for (int j = 0; j < kPiece; ++j) sums[j] += weight * x.x[j];
        } else {
          sums[0] += weight * to_float(*row);
        }
      }
    }
    if (c >= channels) continue;
    if (whole)
      store_piece(sums, total + c);
    else
      from_float(sums[0], total[c]);
  }
}

// The keys of the `top_k` largest logits; of equal ones the earlier slot wins.
template <int kTeam>
__device__ void rank(const Team<kTeam>& team, const Share<int32_t>& keys, const Share<float>& logits, int count,
                     int top_k, int32_t* best) {
  unsigned taken = 0;
#pragma unroll
  for (int s = 0; s < kShare; ++s) taken |= (s * kTeam + team.lane >= count ? 1u : 0u) << s;
  for (int k = 0; k < top_k; ++k) {
    float logit = kLowest;
    int slot = kMaxCandidates;
    int32_t key = 0;
#pragma unroll
    for (int s = 0; s < kShare; ++s)
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
