// Backward pass on a GPU, first half: by query. It recomputes the weights and keeps nothing from the forward pass.
//
// A team differentiates one query: it writes the gradients of query and prune query, and four factors for each
// candidate. The gradients of a candidate's key, prune key, value and warp source are sums of rows of its queries,
// times these factors. The second half (key_sums.cuh) computes those sums for each key in a fixed order. With atomics,
// the first half adds to them directly, in the order in which the threads arrive.
#pragma once

#include "cuda/attention.cuh"
#include "dynast/softmax.h"

DYNAST_BEGIN

constexpr int kSides = 4;  // key, prune key, value, warp source

// The factors of the rows of query, prune query, grad attended and grad warped in the gradients of one candidate.
struct alignas(16) Factors {
  float of[kSides];
};

// The tensors of the backward pass. Gradients are float32 whatever the type T of the tensors. Null gradients are not
// computed.
template <class T>
struct BackwardTensors {
  Tensors<T> in;  // outputs are not used
  const T *grad_attended, *grad_confidence, *grad_warped;
  float *grad_query, *grad_query_prune;
  // For each side the rows that are summed, [N, Lq, channels], and their sums, [E, Lk, channels]. 0 channels: not
  // computed.
  const T* rows[kSides];
  float* sums[kSides];
  int channels[kSides];
};

// Channels of one side in a row of all sides, where each side begins at a multiple of 16 bytes.
DYNAST_INLINE int padded_channels(int channels) { return (channels + 3) / 4 * 4; }

// What one thread sums, of the row of all sides one after the other: 16 bytes of one side, or one channel where rows
// are not aligned.
template <class T>
struct Column {
  const T* rows = nullptr;  // null: nothing
  float* sums = nullptr;
  int channels = 0;
  int side = 0;
  int offset = 0;  // of the first channel in the row of all sides
  bool whole = false;

  __device__ Column(const BackwardTensors<T>& t, int index) {
    int before = 0;
#pragma unroll
    for (int i = 0; i < kSides; ++i) {
      const bool pieces = rows_aligned<T>(t.channels[i]);
      const int size = pieces ? t.channels[i] / Pack<T>::kSize : t.channels[i];
      if (index >= 0 && index < size) {
        const int c = pieces ? index * Pack<T>::kSize : index;
        rows = t.rows[i] + c;
        sums = t.sums[i] + c;
        channels = t.channels[i];
        side = i;
        offset = before + c;
        whole = pieces;
      }
      index -= size;
      before += padded_channels(t.channels[i]);
    }
  }

  // Reads the elements of this token's row; if not `whole`, one element, then zeros.
  __device__ void read(int64_t token, float (&x)[Pack<T>::kSize]) const {
    const T* at = rows + token * channels;
    if (whole) {
      const Pack<T> pack(at);
#pragma unroll
      for (int i = 0; i < Pack<T>::kSize; ++i) x[i] = pack.x[i];
    } else {
#pragma unroll
      for (int i = 0; i < Pack<T>::kSize; ++i) x[i] = 0.0f;
      x[0] = to_float(*at);
    }
  }
};

// The number of columns in a row of all sides.
template <class T>
DYNAST_INLINE int column_count(const int (&channels)[kSides]) {
  int count = 0;
  for (int i = 0; i < kSides; ++i) count += rows_aligned<T>(channels[i]) ? channels[i] * sizeof(T) / 16 : channels[i];
  return count;
}

// Gradients of logits under a softmax, see `logit_gradient`. The reference is the gradient of the largest weight.
template <int kTeam>
__device__ void softmax_gradient(const Team<kTeam>& team, const PerThread<float>& weights,
                                 const PerThread<float>& grad_weights, PerThread<float>& gradients) {
  float heaviest = weights[0], reference = grad_weights[0];
#pragma unroll
  for (int s = 1; s < kSlotsPerThread; ++s)
    if (weights[s] > heaviest) {
      heaviest = weights[s];
      reference = grad_weights[s];
    }
#pragma unroll
  for (int distance = kTeam / 2; distance > 0; distance /= 2) {
    const float other_weight = team.across(heaviest, distance), other_reference = team.across(reference, distance);
    // Both threads of an exchange have to choose the same, so of equal weights the one of the lower lane.
    if (other_weight > heaviest || (!(heaviest > other_weight) && (team.lane & distance))) {
      heaviest = other_weight;
      reference = other_reference;
    }
  }
  float expected = 0.0f;
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) expected += weights[s] * (grad_weights[s] - reference);
  expected = team.sum(expected);
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s)
    gradients[s] = logit_gradient(weights[s], grad_weights[s] - reference, expected);
}

// The factors of this thread's candidates. Beyond the last candidate they are 0.
template <class T, int kTeam>
__device__ void compute_factors(const DynastProblem& p, const Team<kTeam>& team, const QueryPosition& position,
                                const BackwardTensors<T>& t, const PerThread<int32_t>& keys,
                                PerThread<float> (&factors)[kSides]) {
  const int count = candidate_count(p);
  const Tensors<T>& in = t.in;
  PerThread<float> logits, prune_logits, weights, grad_weights, grad_kept_weights, gradients;
  score(p, team, keys, in.query + position.query * p.channels, in.query_prune + position.query * p.prune_channels,
        in.key + position.tokens * p.channels, in.key_prune + position.tokens * p.prune_channels, logits, prune_logits);
  softmax(team, logits, weights);
  dot_candidates(team, keys, count, t.grad_attended + position.query * p.value_channels,
                 in.value + position.tokens * p.value_channels, p.value_channels, grad_weights);
  const float of_confidence = to_float(t.grad_confidence[position.query]);
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) {
    const bool kept = is_kept(prune_logits[s]);
    grad_weights[s] = s * kTeam + team.lane < count ? grad_weights[s] + of_confidence : 0.0f;
    grad_kept_weights[s] = kept ? grad_weights[s] : 0.0f;
    factors[1][s] = weights[s] * grad_weights[s] * mask_slope(expf(-fabsf(prune_logits[s])));
    factors[2][s] = kept ? weights[s] : 0.0f;
    factors[3][s] = 0.0f;
  }
  softmax_gradient(team, weights, grad_kept_weights, gradients);
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) factors[0][s] = gradients[s];
  if (p.warp_channels) {
    dot_candidates(team, keys, count, t.grad_warped + position.query * p.warp_channels,
                   in.warp_source + position.tokens * p.warp_channels, p.warp_channels, grad_weights);
#pragma unroll
    for (int s = 0; s < kSlotsPerThread; ++s)
      if (s * kTeam + team.lane >= count) grad_weights[s] = 0.0f;
    warp_softmax(p, team, logits, prune_logits, weights);
    softmax_gradient(team, weights, grad_weights, gradients);
#pragma unroll
    for (int s = 0; s < kSlotsPerThread; ++s) {
      if (!warp_replaces(p, is_kept(prune_logits[s]))) factors[0][s] += gradients[s];
      factors[3][s] = weights[s];
    }
  }
  const float scale = 1.0f / p.temperature;
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) factors[0][s] *= scale;
}

// Adds the query's rows, times the factors, to the sums of every candidate's key.
template <class T, int kTeam>
__device__ void add_to_keys(const Team<kTeam>& team, const QueryPosition& position, const BackwardTensors<T>& t,
                            const PerThread<int32_t>& keys, int count, const PerThread<float> (&factors)[kSides]) {
  const int columns = column_count<T>(t.channels);
  for (int first = 0; first < columns; first += kTeam) {
    const Column<T> column(t, first + team.lane);
    float row[Pack<T>::kSize] = {};
    if (column.rows) column.read(position.query, row);
    for (int slot = 0; slot < count; ++slot) {
      const int64_t key = position.tokens + slot_value(team, keys, slot);
      float factor = 0.0f;
#pragma unroll
      for (int side = 0; side < kSides; ++side) {
        const float of_side = slot_value(team, factors[side], slot);
        if (column.rows && column.side == side) factor = of_side;
      }
      if (factor == 0.0f) continue;
      float* to = column.sums + key * column.channels;
#pragma unroll
      for (int i = 0; i < Pack<T>::kSize; ++i)
        if (i == 0 || column.whole) atomicAdd(to + i, factor * row[i]);
    }
  }
}

// What the first half stores for the second, for each candidate [N, Lq, M]: its factors, and its key, counted over all
// exemplars, or `dropped` where all factors are 0. Without `keys` the sums use atomics.
struct Candidates {
  uint32_t* keys;
  Factors* factors;
  uint32_t dropped;
};

template <class T, int kTeam>
__device__ void differentiate(const DynastProblem& p, const BackwardTensors<T>& t, const Candidates& candidates) {
  const Team<kTeam> team;
  const QueryPosition position(p, team_index<kTeam>());
  if (!position.exists) return;
  const int count = candidate_count(p);
  PerThread<int32_t> keys;
  find_candidates(p, team, position, t.in.matches, keys);
  PerThread<float> factors[kSides];
  compute_factors(p, team, position, t, keys, factors);
  if (t.grad_query)
    sum_candidates(team, keys, factors[0], count, t.in.key + position.tokens * p.channels, p.channels,
                   t.grad_query + position.query * p.channels);
  if (t.grad_query_prune)
    sum_candidates(team, keys, factors[1], count, t.in.key_prune + position.tokens * p.prune_channels, p.prune_channels,
                   t.grad_query_prune + position.query * p.prune_channels);
  if (!candidates.keys) {
    add_to_keys(team, position, t, keys, count, factors);
  } else {
#pragma unroll
    for (int s = 0; s < kSlotsPerThread; ++s) {
      const int slot = s * kTeam + team.lane;
      if (slot >= count) continue;
      const int64_t at = position.query * count + slot;
      Factors of_candidate;
      bool contributes = false;
#pragma unroll
      for (int side = 0; side < kSides; ++side) {
        of_candidate.of[side] = factors[side][s];
        contributes |= factors[side][s] != 0.0f;
      }
      candidates.keys[at] = contributes ? static_cast<uint32_t>(position.tokens + keys[s]) : candidates.dropped;
      candidates.factors[at] = of_candidate;
    }
  }
}

DYNAST_END
