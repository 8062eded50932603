// Forward pass on a GPU: a team of 8, 16 or 32 threads of a warp for each query.
//
// A candidate's key and value are read in whole sectors, once by its query. No shared memory, no atomics; sums are
// taken in a fixed order.
#pragma once

#include "cuda/team_candidates.cuh"

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

// What the logits and prune logits of a query say. Beyond the last candidate: lowest logit, not kept.
template <class T, int kTeam>
__device__ void score(const DynastProblem& p, const Team<kTeam>& team, const Share<int32_t>& keys, const T* query,
                      const T* query_prune, const T* key, const T* key_prune, Share<float>& logits,
                      Share<float>& prune_logits) {
  const int count = candidate_count(p);
  dot_candidates(team, keys, count, query, key, p.channels, logits);
  dot_candidates(team, keys, count, query_prune, key_prune, p.prune_channels, prune_logits);
  const float scale = 1.0f / p.temperature;
#pragma unroll
  for (int s = 0; s < kShare; ++s) {
    const bool exists = s * kTeam + team.lane < count;
    logits[s] = exists ? logits[s] * scale : kLowest;
    prune_logits[s] = exists ? prune_logits[s] : 0.0f;
  }
}

// Softmax of the warp, see `warp_replaces`.
template <int kTeam>
__device__ void warp_softmax(const DynastProblem& p, const Team<kTeam>& team, const Share<float>& logits,
                             const Share<float>& prune_logits, Share<float>& weights) {
  Share<float> replaced;
#pragma unroll
  for (int s = 0; s < kShare; ++s) {
    const bool exists = s * kTeam + team.lane < candidate_count(p);
    replaced[s] = exists && warp_replaces(p, is_kept(prune_logits[s])) ? kWarpFill : logits[s];
  }
  softmax(team, replaced, weights);
}

template <class T, int kTeam>
__device__ void attend(const DynastProblem& p, const Tensors<T>& t) {
  const Team<kTeam> team;
  const Place place(p, team_index<kTeam>());
  if (!place.exists) return;
  const int count = candidate_count(p);
  Share<int32_t> keys;
  find_candidates(p, team, place, t.matches, keys);
  Share<float> logits, prune_logits, weights;
  score(p, team, keys, t.query + place.query * p.channels, t.query_prune + place.query * p.prune_channels,
        t.key + place.tokens * p.channels, t.key_prune + place.tokens * p.prune_channels, logits, prune_logits);
  softmax(team, logits, weights);
  float confidence = 0.0f;
#pragma unroll
  for (int s = 0; s < kShare; ++s) {
    if (!is_kept(prune_logits[s])) weights[s] = 0.0f;
    confidence += weights[s];
  }
  confidence = team.sum(confidence);
  if (team.lane == 0) from_float(confidence, t.confidence[place.query]);
  sum_candidates(team, keys, weights, count, t.value + place.tokens * p.value_channels, p.value_channels,
                 t.attended + place.query * p.value_channels);
  rank(team, keys, logits, count, p.top_k, t.next_matches + place.query * p.top_k);
  if (p.warp_channels) {
    warp_softmax(p, team, logits, prune_logits, weights);
    sum_candidates(team, keys, weights, count, t.warp_source + place.tokens * p.warp_channels, p.warp_channels,
                   t.warped + place.query * p.warp_channels);
  }
}

DYNAST_END
