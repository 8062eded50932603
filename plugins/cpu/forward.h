// Forward pass on the CPU.
#pragma once

#include "cpu/calls.h"
#include "cpu/group.h"

DYNAST_BEGIN

// Groups that one task works through.
constexpr int64_t kGroupsPerTask = 64;

template <class T>
inline void attend(const DynastProblem& p, const DynastForward& call, const Group& group) {
  const int64_t tokens = p.exemplars == 1 ? 0 : static_cast<int64_t>(group.frame) * key_length(p);
  const T* key = static_cast<const T*>(call.key) + tokens * p.channels;
  const T* key_prune = static_cast<const T*>(call.key_prune) + tokens * p.prune_channels;
  const T* value = static_cast<const T*>(call.value) + tokens * p.value_channels;
  for (int member = 0; member < group.size; ++member) {
    const int64_t query = group.queries[member];
    Scores scores;
    score(p, static_cast<const T*>(call.query) + query * p.channels,
          static_cast<const T*>(call.query_prune) + query * p.prune_channels, key, key_prune, group, scores);

    Ranking ranking;
    WeightedRows<kSlots> kept;
    float confidence = 0.0f;
    for (int i = 0; i < group.count; ++i) {
      ranking.offer(scores.logits[i], group.candidates[i], p.top_k);
      const float weight = is_kept(scores.prune_logits[i]) ? scores.weights[i] : 0.0f;
      confidence += weight;
      kept.add(group.candidates[i], weight);
    }
    weighted_sum(value, p.value_channels, kept.rows, kept.weights, kept.count, false,
                 static_cast<T*>(call.attended) + query * p.value_channels);
    const Lanes confidences = fill(confidence);
    store_part(static_cast<T*>(call.confidence) + query, confidences, 1);
    memcpy(call.next_matches + query * p.top_k, ranking.keys, p.top_k * sizeof(int32_t));

    if (p.warp_channels == 0) continue;
    alignas(64) float weights[kSlots];
    warp_softmax(p, scores, group.count, weights);
    const T* source = static_cast<const T*>(call.warp_source) + tokens * p.warp_channels;
    weighted_sum(source, p.warp_channels, group.candidates, weights, group.count, false,
                 static_cast<T*>(call.warped) + query * p.warp_channels);
  }
}

template <class T>
inline void forward(const DynastProblem& p, const DynastForward& call, const Parallel& parallel) {
  const int64_t groups = group_count(p);
  parallel((groups + kGroupsPerTask - 1) / kGroupsPerTask, [&](int64_t task) {
    const int64_t begin = task * kGroupsPerTask;
    const int64_t end = begin + kGroupsPerTask < groups ? begin + kGroupsPerTask : groups;
    Group group;
    for (int64_t index = begin; index < end; ++index) {
      fill_group(p, call.matches, index, group);
      attend<T>(p, call, group);
    }
  });
}

DYNAST_END
