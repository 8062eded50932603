// Backward pass of sparse attention on the CPU. It recomputes the weights and keeps nothing from the forward pass.
//
// Several queries share a key, so the gradients of keys and values are sums over queries. The first half stores a few
// numbers for each candidate. The second half visits each key with the list of the candidates that refer to it, in the
// order of the queries. It needs no atomics, and the result does not depend on the number of threads.
#pragma once

#include "cpu/attention/kernels.h"
#include "cpu/attention/scores.h"

DYNAST_BEGIN

constexpr int64_t kQueriesPerTask = 64;
constexpr int64_t kKeysPerTask = 256;

// First half, for one group: gradients of query and prune query, and the numbers of each candidate.
inline void differentiate_group(const DynastProblem& p, const DynastBackward& call, const BackwardScratch& scratch,
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

    alignas(64) float grad_weights[kSlots], grad_kept_weights[kSlots], grad_logits[kSlots], grad_prunes[kSlots];
    mask_slopes(scores.prune_logits, count, grad_prunes);
    dot_rows(call.grad_attended + query * p.value_channels, value, p.value_channels, group.candidates, count,
             grad_weights);
    // Beyond the candidates, prune logits and weights are 0.
    for (int i = count; i < end; ++i) grad_weights[i] = 0.0f;
    for (int i = 0; i < end; i += kLanes) {
      const Lanes grad_weight = load(grad_weights + i) + call.grad_confidence[query];
      store(grad_kept_weights + i, kept_only(scores, i, grad_weight));
      store(grad_prunes + i, load(grad_prunes + i) * load(scores.weights + i) * grad_weight);
    }
    softmax_gradient(scores.weights, grad_kept_weights, count, grad_logits);

    alignas(64) float warp_weights[kSlots];
    if (p.warp_channels) {
      alignas(64) float grad_warp_weights[kSlots], grad_warp_logits[kSlots];
      dot_rows(call.grad_warped + query * p.warp_channels, call.warp_source + tokens * p.warp_channels, p.warp_channels,
               group.candidates, count, grad_warp_weights);
      warp_softmax(p, scores, count, warp_weights);
      softmax_gradient(warp_weights, grad_warp_weights, count, grad_warp_logits);
      for (int i = 0; i < end; i += kLanes) {
        const Lanes all = load(grad_warp_logits + i), kept = kept_only(scores, i, all);
        store(grad_logits + i, load(grad_logits + i) + (warp_replaces(p, true) ? all - kept : kept));
      }
    }

    const float scale = 1.0f / p.temperature;
    alignas(64) float kept_weights[kSlots];
    for (int i = 0; i < end; i += kLanes) {
      store(grad_logits + i, load(grad_logits + i) * scale);
      store(kept_weights + i, kept_only(scores, i, load(scores.weights + i)));
    }
    WeightedRows<kSlots> keys, prunes;
    for (int i = 0; i < count; ++i) {
      keys.add(group.candidates[i], grad_logits[i]);
      prunes.add(group.candidates[i], grad_prunes[i]);
      const CandidateGradients gradients = {grad_logits[i], grad_prunes[i], kept_weights[i],
                                            p.warp_channels ? warp_weights[i] : 0.0f};
      const bool contributes = (gradients.logit_gradient != 0.0f) | (gradients.prune_gradient != 0.0f) |
                               (gradients.kept_weight != 0.0f) | (gradients.warp_weight != 0.0f);
      scratch.keys[query * count + i] = contributes ? group.candidates[i] : -1;
      scratch.gradients[query * count + i] = gradients;
    }
    if (call.grad_query)
      weighted_sum(key, p.channels, keys.rows, keys.weights, keys.count, false, call.grad_query + query * p.channels);
    if (call.grad_query_prune)
      weighted_sum(key_prune, p.prune_channels, prunes.rows, prunes.weights, prunes.count, false,
                   call.grad_query_prune + query * p.prune_channels);
  }
}

// Between the halves, for one exemplar: a counting sort by key of its queries' candidates.
inline void sort_by_key(const DynastProblem& p, const BackwardScratch& scratch, int exemplar) {
  const int64_t per_frame = static_cast<int64_t>(query_length(p)) * candidate_count(p);
  const int64_t begin = exemplar * per_frame;
  const int64_t end = begin + per_frame * (p.exemplars == 1 ? p.frames : 1);
  uint32_t* starts = scratch.starts + static_cast<int64_t>(exemplar) * (key_length(p) + 1);
  for (int k = 0; k <= key_length(p); ++k) starts[k] = 0;
  for (int64_t i = begin; i < end; ++i)
    if (scratch.keys[i] >= 0) ++starts[scratch.keys[i] + 1];
  for (int k = 0; k < key_length(p); ++k) starts[k + 1] += starts[k];
  // Filling a list moves its start to its end, which is the start of the next list.
  for (int64_t i = begin; i < end; ++i)
    if (scratch.keys[i] >= 0) scratch.order[begin + starts[scratch.keys[i]]++] = static_cast<uint32_t>(i - begin);
  for (int k = key_length(p); k > 0; --k) starts[k] = starts[k - 1];
  starts[0] = 0;
}

// Second half, for one key: sums over the queries that had it as a candidate.
inline void sum_over_queries(const DynastProblem& p, const DynastBackward& call, const BackwardScratch& scratch,
                             int exemplar, int key) {
  constexpr int kBatch = 128;
  const uint32_t count = static_cast<uint32_t>(candidate_count(p));
  const int64_t first_query = static_cast<int64_t>(exemplar) * query_length(p);
  const int64_t first = first_query * count;
  const int64_t token = static_cast<int64_t>(exemplar) * key_length(p) + key;
  const uint32_t* starts = scratch.starts + token + exemplar;
  uint32_t i = starts[0];
  do {  // at least once: a key that is not a candidate gets the gradient 0
    CandidateGradients gradients[kBatch];
    int32_t queries[kBatch];
    const bool add = i != starts[0];
    int size = 0;
    for (; i < starts[1] && size < kBatch; ++i, ++size) {
      const uint32_t candidate = scratch.order[first + i];
      gradients[size] = scratch.gradients[first + candidate];
      queries[size] = static_cast<int32_t>(candidate / count);
    }
    const auto sum = [&](const float* table, int channels, float CandidateGradients::* weight, float* gradient) {
      if (!gradient) return;
      WeightedRows<kBatch> rows;
      for (int j = 0; j < size; ++j) rows.add(queries[j], gradients[j].*weight);
      weighted_sum(table + first_query * channels, channels, rows.rows, rows.weights, rows.count, add,
                   gradient + token * channels);
    };
    sum(call.query, p.channels, &CandidateGradients::logit_gradient, call.grad_key);
    sum(call.query_prune, p.prune_channels, &CandidateGradients::prune_gradient, call.grad_key_prune);
    sum(call.grad_attended, p.value_channels, &CandidateGradients::kept_weight, call.grad_value);
    if (p.warp_channels)
      sum(call.grad_warped, p.warp_channels, &CandidateGradients::warp_weight, call.grad_warp_source);
  } while (i < starts[1]);
}

inline void backward(const DynastProblem& p, const DynastBackward& call, const BackwardScratch& scratch,
                     const Parallel& parallel) {
  const int64_t groups = group_count(p);
  parallel((groups + kQueriesPerTask - 1) / kQueriesPerTask, [&](int64_t task) {
    const int64_t begin = task * kQueriesPerTask;
    const int64_t end = begin + kQueriesPerTask < groups ? begin + kQueriesPerTask : groups;
    Group group;
    for (int64_t index = begin; index < end; ++index) {
      fill_group(p, call.matches, index, group);
      differentiate_group(p, call, scratch, group);
    }
  });
  if (!call.grad_key && !call.grad_key_prune && !call.grad_value && !call.grad_warp_source) return;
  parallel(p.exemplars, [&](int64_t exemplar) { sort_by_key(p, scratch, static_cast<int>(exemplar)); });
  const int64_t per_exemplar = (key_length(p) + kKeysPerTask - 1) / kKeysPerTask;
  parallel(p.exemplars * per_exemplar, [&](int64_t task) {
    const int exemplar = static_cast<int>(task / per_exemplar);
    const int begin = static_cast<int>((task - exemplar * per_exemplar) * kKeysPerTask);
    for (int key = begin; key < begin + kKeysPerTask && key < key_length(p); ++key)
      sum_over_queries(p, call, scratch, exemplar, key);
  });
}

DYNAST_END
