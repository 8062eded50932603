// Forward pass on a GPU: a team of 8, 16 or 32 threads of a warp computes one query.
//
// Each query reads each candidate's key and value once, in whole sectors. No shared memory and no atomics; sums have a
// fixed order.
#pragma once

#include "cuda/team_candidates.cuh"
#include "dynast/mask.h"

DYNAST_BEGIN

template <class T>
struct Tensors {
  const T *query, *query_prune, *key, *key_prune, *value;
  const int32_t* matches;
  T *attended, *confidence;
  int32_t* next_matches;
  const T* warp_source;
  T* warped;
};

// Logits and prune logits of one query's candidates. Beyond the last candidate: the lowest logit, and a prune logit of
// 0. The softmax gives the lowest logit weight 0, so it does not matter whether the mask keeps it.
template <class T, int kTeam>
__device__ void score(const DynastProblem& p, const Team<kTeam>& team, const PerThread<int32_t>& keys, const T* query,
                      const T* query_prune, const T* key, const T* key_prune, PerThread<float>& logits,
                      PerThread<float>& prune_logits) {
  const int count = candidate_count(p);
  dot_candidates(team, keys, count, query, key, p.channels, logits);
  dot_candidates(team, keys, count, query_prune, key_prune, p.prune_channels, prune_logits);
  const float scale = 1.0f / p.temperature;
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) {
    const bool exists = s * kTeam + team.lane < count;
    logits[s] = exists ? logits[s] * scale : kLowest;
    prune_logits[s] = exists ? prune_logits[s] : 0.0f;
  }
}

// Softmax of the warp, see `warp_replaces`.
template <int kTeam>
__device__ void warp_softmax(const DynastProblem& p, const Team<kTeam>& team, const PerThread<float>& logits,
                             const PerThread<float>& prune_logits, PerThread<float>& weights) {
  PerThread<float> replaced;
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) {
    const bool exists = s * kTeam + team.lane < candidate_count(p);
    replaced[s] = exists && warp_replaces(p, is_kept(prune_logits[s])) ? kWarpFill : logits[s];
  }
  softmax(team, replaced, weights);
}

template <class T, int kTeam>
__device__ void attend(const DynastProblem& p, const Tensors<T>& t) {
  const Team<kTeam> team;
  const QueryPosition position(p, team_index<kTeam>());
  if (!position.exists) return;
  const int count = candidate_count(p);
  PerThread<int32_t> keys;
  find_candidates(p, team, position, t.matches, keys);
  PerThread<float> logits, prune_logits, weights;
  score(p, team, keys, t.query + position.query * p.channels, t.query_prune + position.query * p.prune_channels,
        t.key + position.tokens * p.channels, t.key_prune + position.tokens * p.prune_channels, logits, prune_logits);
  softmax(team, logits, weights);
  float confidence = 0.0f;
#pragma unroll
  for (int s = 0; s < kSlotsPerThread; ++s) {
    if (!is_kept(prune_logits[s])) weights[s] = 0.0f;
    confidence += weights[s];
  }
  confidence = team.sum(confidence);
  if (team.lane == 0) from_float(confidence, t.confidence[position.query]);
  sum_candidates(team, keys, weights, count, t.value + position.tokens * p.value_channels, p.value_channels,
                 t.attended + position.query * p.value_channels);
  rank(team, keys, logits, count, p.top_k, t.next_matches + position.query * p.top_k);
  if (p.warp_channels) {
    warp_softmax(p, team, logits, prune_logits, weights);
    sum_candidates(team, keys, weights, count, t.warp_source + position.tokens * p.warp_channels, p.warp_channels,
                   t.warped + position.query * p.warp_channels);
  }
}

DYNAST_END
