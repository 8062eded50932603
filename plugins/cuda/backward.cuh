// Backward pass on a GPU, first half: what each query knows. Nothing of the forward pass is kept.
//
// A team differentiates one query: it writes the gradients of query and prune query, and four numbers for each
// candidate, by which rows of the query's side count in the gradients of the candidate's key, prune key, value and
// warp source. The second half (collect.cuh) sums those for each key in a fixed order. With atomics this half adds
// them right away instead, in whatever order the threads arrive.
#pragma once

#include "cuda/attention.cuh"

DYNAST_BEGIN

constexpr int kSides = 4;  // key, prune key, value, warp source

// What rows of the query's side weigh in the gradients of one candidate: query, prune query, grad attended, grad
// warped.
struct alignas(16) Factors {
  float of[kSides];
};

// Inputs of the backward pass. Gradients are float32 whatever the type T of the tensors; those that are null are
// left out.
template <class T>
struct BackwardTensors {
  Tensors<T> in;  // outputs are not used
  const T *grad_attended, *grad_confidence, *grad_warped;
  float *grad_query, *grad_query_prune;
  // Of each side the rows that are summed, [N, Lq, channels], and where, [E, Lk, channels]. 0 channels: left out.
  const T* rows[kSides];
  float* sums[kSides];
  int channels[kSides];
};

// Room for a side in a row of all sides, in which each begins at a multiple of 16 bytes.
DYNAST_INLINE int padded_channels(int channels) { return (channels + 3) / 4 * 4; }

// A thread's share of the row of all sides one after the other: 16 bytes of one side, or one channel where rows do
// not consist of whole pieces.
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
      const bool pieces = in_pieces<T>(t.channels[i]);
      const int size = pieces ? t.channels[i] / Piece<T>::kSize : t.channels[i];
      if (index >= 0 && index < size) {
        const int c = pieces ? index * Piece<T>::kSize : index;
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

  // Elements of the row of this token; one, and zeros, if not whole.
  __device__ void read(int64_t token, float (&x)[Piece<T>::kSize]) const {
    const T* at = rows + token * channels;
    if (whole) {
      const Piece<T> piece(at);
#pragma unroll
      for (int i = 0; i < Piece<T>::kSize; ++i) x[i] = piece.x[i];
    } else {
#pragma unroll
      for (int i = 0; i < Piece<T>::kSize; ++i) x[i] = 0.0f;
      x[0] = to_float(*at);
    }
  }
};

// Columns of a row of all sides.
template <class T>
DYNAST_INLINE int column_count(const int (&channels)[kSides]) {
  int count = 0;
  for (int i = 0; i < kSides; ++i) count += in_pieces<T>(channels[i]) ? channels[i] * sizeof(T) / 16 : channels[i];
  return count;
}

// Gradients of logits under a softmax, see `logit_gradient`. The anchor is the reward of a heaviest candidate.
template <int kTeam>
__device__ void softmax_gradient(const Team<kTeam>& team, const Share<float>& weights, const Share<float>& rewards,
                                 Share<float>& gradients) {
  float heaviest = weights[0], anchor = rewards[0];
#pragma unroll
  for (int s = 1; s < kShare; ++s)
    if (weights[s] > heaviest) {
      heaviest = weights[s];
      anchor = rewards[s];
    }
#pragma unroll
  for (int distance = kTeam / 2; distance > 0; distance /= 2) {
    const float other_weight = team.across(heaviest, distance), other_anchor = team.across(anchor, distance);
    // Both sides of an exchange have to choose the same, so of equal weights that of the lower lane.
    if (other_weight > heaviest || (!(heaviest > other_weight) && (team.lane & distance))) {
      heaviest = other_weight;
      anchor = other_anchor;
    }
  }
  float expected = 0.0f;
#pragma unroll
  for (int s = 0; s < kShare; ++s) expected += weights[s] * (rewards[s] - anchor);
  expected = team.sum(expected);
#pragma unroll
  for (int s = 0; s < kShare; ++s) gradients[s] = logit_gradient(weights[s], rewards[s] - anchor, expected);
}

// The factors of this thread's candidates. Beyond the last candidate they are 0.
template <class T, int kTeam>
__device__ void find_factors(const DynastProblem& p, const Team<kTeam>& team, const Place& place,
                             const BackwardTensors<T>& t, const Share<int32_t>& keys, Share<float> (&factors)[kSides]) {
  const int count = candidate_count(p);
  const Tensors<T>& in = t.in;
  Share<float> logits, prune_logits, weights, rewards, kept_rewards, gradients;
  score(p, team, keys, in.query + place.query * p.channels, in.query_prune + place.query * p.prune_channels,
        in.key + place.tokens * p.channels, in.key_prune + place.tokens * p.prune_channels, logits, prune_logits);
  softmax(team, logits, weights);
  dot_candidates(team, keys, count, t.grad_attended + place.query * p.value_channels,
                 in.value + place.tokens * p.value_channels, p.value_channels, rewards);
  const float of_confidence = to_float(t.grad_confidence[place.query]);
#pragma unroll
  for (int s = 0; s < kShare; ++s) {
    const bool kept = is_kept(prune_logits[s]);
    rewards[s] = s * kTeam + team.lane < count ? rewards[s] + of_confidence : 0.0f;
    kept_rewards[s] = kept ? rewards[s] : 0.0f;
    factors[1][s] = weights[s] * rewards[s] * mask_slope(expf(-fabsf(prune_logits[s])));
    factors[2][s] = kept ? weights[s] : 0.0f;
    factors[3][s] = 0.0f;
  }
  softmax_gradient(team, weights, kept_rewards, gradients);
#pragma unroll
  for (int s = 0; s < kShare; ++s) factors[0][s] = gradients[s];
  if (p.warp_channels) {
    dot_candidates(team, keys, count, t.grad_warped + place.query * p.warp_channels,
                   in.warp_source + place.tokens * p.warp_channels, p.warp_channels, rewards);
#pragma unroll
    for (int s = 0; s < kShare; ++s)
      if (s * kTeam + team.lane >= count) rewards[s] = 0.0f;
    warp_softmax(p, team, logits, prune_logits, weights);
    softmax_gradient(team, weights, rewards, gradients);
#pragma unroll
    for (int s = 0; s < kShare; ++s) {
      if (!warp_replaces(p, is_kept(prune_logits[s]))) factors[0][s] += gradients[s];
      factors[3][s] = weights[s];
    }
  }
  const float scale = 1.0f / p.temperature;
#pragma unroll
  for (int s = 0; s < kShare; ++s) factors[0][s] *= scale;
}

// Adds the query's rows, times the factors, to the sums of every candidate's key.
template <class T, int kTeam>
__device__ void add_to_keys(const Team<kTeam>& team, const Place& place, const BackwardTensors<T>& t,
                            const Share<int32_t>& keys, int count, const Share<float> (&factors)[kSides]) {
  const int columns = column_count<T>(t.channels);
  for (int first = 0; first < columns; first += kTeam) {
    const Column<T> column(t, first + team.lane);
    float row[Piece<T>::kSize] = {};
    if (column.rows) column.read(place.query, row);
    for (int slot = 0; slot < count; ++slot) {
      const int64_t key = place.tokens + of_slot(team, keys, slot);
      float factor = 0.0f;
#pragma unroll
      for (int side = 0; side < kSides; ++side) {
        const float of_side = of_slot(team, factors[side], slot);
        if (column.rows && column.side == side) factor = of_side;
      }
      if (factor == 0.0f) continue;
      float* to = column.sums + key * column.channels;
#pragma unroll
      for (int i = 0; i < Piece<T>::kSize; ++i)
        if (i == 0 || column.whole) atomicAdd(to + i, factor * row[i]);
    }
  }
}

// Where the first half leaves its results for the second: of each candidate [N, Lq, M] the key, exemplars counted
// through, or `dropped` where all factors are 0, and the factors. Without `keys` the sums are taken with atomics.
struct Candidates {
  uint32_t* keys;
  Factors* factors;
  uint32_t dropped;
};

template <class T, int kTeam>
__device__ void differentiate(const DynastProblem& p, const BackwardTensors<T>& t, const Candidates& candidates) {
  const Team<kTeam> team;
  const Place place(p, team_index<kTeam>());
  if (!place.exists) return;
  const int count = candidate_count(p);
  Share<int32_t> keys;
  find_candidates(p, team, place, t.in.matches, keys);
  Share<float> factors[kSides];
  find_factors(p, team, place, t, keys, factors);
  if (t.grad_query)
    sum_candidates(team, keys, factors[0], count, t.in.key + place.tokens * p.channels, p.channels,
                   t.grad_query + place.query * p.channels);
  if (t.grad_query_prune)
    sum_candidates(team, keys, factors[1], count, t.in.key_prune + place.tokens * p.prune_channels, p.prune_channels,
                   t.grad_query_prune + place.query * p.prune_channels);
  if (!candidates.keys) {
    add_to_keys(team, place, t, keys, count, factors);
  } else {
#pragma unroll
    for (int s = 0; s < kShare; ++s) {
      const int slot = s * kTeam + team.lane;
      if (slot >= count) continue;
      const int64_t at = place.query * count + slot;
      Factors of_candidate;
      bool matters = false;
#pragma unroll
      for (int side = 0; side < kSides; ++side) {
        of_candidate.of[side] = factors[side][s];
        matters |= factors[side][s] != 0.0f;
      }
      candidates.keys[at] = matters ? static_cast<uint32_t>(place.tokens + keys[s]) : candidates.dropped;
      candidates.factors[at] = of_candidate;
    }
  }
}

DYNAST_END
