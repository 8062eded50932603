// Backward pass on the CPU: weights are computed again, nothing of the forward pass is kept.
//
// Several queries share a key, so gradients of keys and values are sums over queries. To have no atomics and the
// same result with any number of threads, the first half keeps a few numbers for each candidate, and the second
// goes through the keys, each with the list of candidates that it was, in the order of the queries.
#pragma once

#include "cpu/attention/group.h"
#include "dynast/calls.h"

DYNAST_BEGIN

constexpr int64_t kQueriesPerTask = 64;
constexpr int64_t kKeysPerTask = 256;

// First half, one group: gradients of query and prune query, and the candidates' numbers.
inline void differentiate(const DynastProblem& p, const DynastBackward& call, const Scratch& scratch,
                          const Group& group) {
  const int64_t tokens = p.exemplars == 1 ? 0 : static_cast<int64_t>(group.frame) * key_length(p);
  const float* key = call.key + tokens * p.channels;
  const float* key_prune = call.key_prune + tokens * p.prune_channels;
  const float* value = call.value + tokens * p.value_channels;
  const int count = group.count, end = rounded_up(count, kLanes);
  for (int member = 0; member < group.size; ++member) {
    const int64_t query = group.queries[member];
    Scores scores;
    score(p, call.query + query * p.channels, call.query_prune + query * p.prune_channels, key, key_prune, group,
          scores);

    alignas(64) float rewards[kSlots], kept_rewards[kSlots], of_logits[kSlots], of_prunes[kSlots];
    mask_slopes(scores.prune_logits, count, of_prunes);
    dot_rows(call.grad_attended + query * p.value_channels, value, p.value_channels, group.candidates, count, rewards);
    // What lies beyond the candidates has prune logits and weights of 0.
    for (int i = count; i < end; ++i) rewards[i] = 0.0f;
    for (int i = 0; i < end; i += kLanes) {
      const Lanes reward = load(rewards + i) + call.grad_confidence[query];
      store(kept_rewards + i, kept_only(scores, i, reward));
      store(of_prunes + i, load(of_prunes + i) * load(scores.weights + i) * reward);
    }
    softmax_gradient(scores.weights, kept_rewards, count, of_logits);

    alignas(64) float warp_weights[kSlots];
    if (p.warp_channels) {
      alignas(64) float warp_rewards[kSlots], of_warp_logits[kSlots];
      dot_rows(call.grad_warped + query * p.warp_channels, call.warp_source + tokens * p.warp_channels, p.warp_channels,
               group.candidates, count, warp_rewards);
      warp_softmax(p, scores, count, warp_weights);
      softmax_gradient(warp_weights, warp_rewards, count, of_warp_logits);
      for (int i = 0; i < end; i += kLanes) {
        const Lanes all = load(of_warp_logits + i), kept = kept_only(scores, i, all);
        store(of_logits + i, load(of_logits + i) + (warp_replaces(p, true) ? all - kept : kept));
      }
    }

    const float scale = 1.0f / p.temperature;
    alignas(64) float kept_weights[kSlots];
    for (int i = 0; i < end; i += kLanes) {
      store(of_logits + i, load(of_logits + i) * scale);
      store(kept_weights + i, kept_only(scores, i, load(scores.weights + i)));
    }
    WeightedRows<kSlots> keys, prunes;
    for (int i = 0; i < count; ++i) {
      keys.add(group.candidates[i], of_logits[i]);
      prunes.add(group.candidates[i], of_prunes[i]);
      const CandidateShare share = {of_logits[i], of_prunes[i], kept_weights[i],
                                    p.warp_channels ? warp_weights[i] : 0.0f};
      const bool matters = (share.logit_gradient != 0.0f) | (share.prune_gradient != 0.0f) |
                           (share.kept_weight != 0.0f) | (share.warp_weight != 0.0f);
      scratch.keys[query * count + i] = matters ? group.candidates[i] : -1;
      scratch.shares[query * count + i] = share;
    }
    if (call.grad_query)
      weighted_sum(key, p.channels, keys.rows, keys.weights, keys.count, false, call.grad_query + query * p.channels);
    if (call.grad_query_prune)
      weighted_sum(key_prune, p.prune_channels, prunes.rows, prunes.weights, prunes.count, false,
                   call.grad_query_prune + query * p.prune_channels);
  }
}

// Between the halves, for one exemplar: a counting sort of its queries' candidates by key.
inline void order_by_key(const DynastProblem& p, const Scratch& scratch, int exemplar) {
  const int64_t per_frame = static_cast<int64_t>(query_length(p)) * candidate_count(p);
  const int64_t begin = exemplar * per_frame;
  const int64_t end = begin + per_frame * (p.exemplars == 1 ? p.frames : 1);
  uint32_t* starts = scratch.starts + static_cast<int64_t>(exemplar) * (key_length(p) + 1);
  for (int k = 0; k <= key_length(p); ++k) starts[k] = 0;
  for (int64_t i = begin; i < end; ++i)
    if (scratch.keys[i] >= 0) ++starts[scratch.keys[i] + 1];
  for (int k = 0; k < key_length(p); ++k) starts[k + 1] += starts[k];
  // Filling moves each start to the end of its list, which is the start of the next.
  for (int64_t i = begin; i < end; ++i)
    if (scratch.keys[i] >= 0) scratch.order[begin + starts[scratch.keys[i]]++] = static_cast<uint32_t>(i - begin);
  for (int k = key_length(p); k > 0; --k) starts[k] = starts[k - 1];
  starts[0] = 0;
}

// Second half, one key: sums over the queries that had it as a candidate.
inline void collect(const DynastProblem& p, const DynastBackward& call, const Scratch& scratch, int exemplar, int key) {
  constexpr int kBatch = 128;
  const uint32_t count = static_cast<uint32_t>(candidate_count(p));
  const int64_t first_query = static_cast<int64_t>(exemplar) * query_length(p);
  const int64_t first = first_query * count;
  const int64_t token = static_cast<int64_t>(exemplar) * key_length(p) + key;
  const uint32_t* starts = scratch.starts + token + exemplar;
  uint32_t i = starts[0];
  do {  // at least once, since a key that nobody looked at has gradient 0
    CandidateShare shares[kBatch];
    int32_t queries[kBatch];
    const bool add = i != starts[0];
    int size = 0;
    for (; i < starts[1] && size < kBatch; ++i, ++size) {
      const uint32_t candidate = scratch.order[first + i];
      shares[size] = scratch.shares[first + candidate];
      queries[size] = static_cast<int32_t>(candidate / count);
    }
    const auto sum = [&](const float* table, int channels, float CandidateShare::* weight, float* gradient) {
      if (!gradient) return;
      WeightedRows<kBatch> rows;
      for (int j = 0; j < size; ++j) rows.add(queries[j], shares[j].*weight);
      weighted_sum(table + first_query * channels, channels, rows.rows, rows.weights, rows.count, add,
                   gradient + token * channels);
    };
    sum(call.query, p.channels, &CandidateShare::logit_gradient, call.grad_key);
    sum(call.query_prune, p.prune_channels, &CandidateShare::prune_gradient, call.grad_key_prune);
    sum(call.grad_attended, p.value_channels, &CandidateShare::kept_weight, call.grad_value);
    if (p.warp_channels) sum(call.grad_warped, p.warp_channels, &CandidateShare::warp_weight, call.grad_warp_source);
  } while (i < starts[1]);
}

inline void backward(const DynastProblem& p, const DynastBackward& call, const Scratch& scratch,
                     const Parallel& parallel) {
  const int64_t groups = group_count(p);
  parallel((groups + kQueriesPerTask - 1) / kQueriesPerTask, [&](int64_t task) {
    const int64_t begin = task * kQueriesPerTask;
    const int64_t end = begin + kQueriesPerTask < groups ? begin + kQueriesPerTask : groups;
    Group group;
    for (int64_t index = begin; index < end; ++index) {
      fill_group(p, call.matches, index, group);
      differentiate(p, call, scratch, group);
    }
  });
  if (!call.grad_key && !call.grad_key_prune && !call.grad_value && !call.grad_warp_source) return;
  parallel(p.exemplars, [&](int64_t exemplar) { order_by_key(p, scratch, static_cast<int>(exemplar)); });
  const int64_t per_exemplar = (key_length(p) + kKeysPerTask - 1) / kKeysPerTask;
  parallel(p.exemplars * per_exemplar, [&](int64_t task) {
    const int exemplar = static_cast<int>(task / per_exemplar);
    const int begin = static_cast<int>((task - exemplar * per_exemplar) * kKeysPerTask);
    for (int key = begin; key < begin + kKeysPerTask && key < key_length(p); ++key)
      collect(p, call, scratch, exemplar, key);
  });
}

DYNAST_END
