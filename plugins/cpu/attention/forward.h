// Forward pass of sparse attention on the CPU.
#pragma once

#include "cpu/attention/kernels.h"
#include "cpu/attention/scores.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

constexpr int64_t kGroupsPerTask = 64;

// If keys and values together are larger than this, one pass reads all keys and a second one all values, so that each
// of them has the last-level cache for itself. Many processors have 32 MB of it.
constexpr int64_t kCachedBytes = int64_t{24} << 20;

// Queries between the two passes: bounds the memory for what the first leaves to the second.
constexpr int64_t kQueriesPerPass = int64_t{1} << 16;

// The rows of `table` that belong to this frame's exemplar.
template <class T>
inline const T* exemplar_rows(const DynastProblem& p, const void* table, int channels, int frame) {
  const int64_t tokens = p.exemplars == 1 ? 0 : static_cast<int64_t>(frame) * key_length(p);
  return static_cast<const T*>(table) + tokens * channels;
}

using KeptRows = WeightedRows<kSlots>;

// A weight smaller than the largest kept one by this factor is lost when float32 rounds the sum, for any number of
// candidates.
constexpr float kNegligible = 0x1p-32f;

// Adds the candidates that the mask keeps, except those with a negligible weight. Returns the confidence.
inline float apply_mask(const Scores& scores, const Group& group, KeptRows& kept) {
  const int end = rounded_up(group.count, kLanes);
  alignas(64) float weights[kSlots];
  Lanes confidence = {}, largest_kept = {};
  for (int i = 0; i < end; i += kLanes) {
    // Beyond the candidates weights are 0, whatever the prune logits are there.
    const Lanes kept_weight = kept_only(scores, i, load(scores.weights + i));
    confidence += kept_weight;
    largest_kept = kept_weight > largest_kept ? kept_weight : largest_kept;
    store(weights + i, kept_weight);
  }
  const float least = reduce_max(largest_kept) * kNegligible;
  for (int i = 0; i < group.count; ++i) kept.add(group.candidates[i], weights[i] >= least ? weights[i] : 0.0f);
  return reduce_sum(confidence);
}

// Everything about one of a group's queries except the sum of values: confidence, matches, warp.
template <class T>
inline void attend_without_values(const DynastProblem& p, const DynastForward& call, const Group& group,
                                  const Group* next, int64_t query, KeptRows& kept) {
  // The next group's candidates are prefetched from these tables, so they have to belong to the same exemplar.
  const int32_t* ahead = next && (p.exemplars == 1 || next->frame == group.frame) ? next->candidates : nullptr;
  Scores scores;
  score(p, static_cast<const T*>(call.query) + query * p.channels,
        static_cast<const T*>(call.query_prune) + query * p.prune_channels,
        exemplar_rows<T>(p, call.key, p.channels, group.frame),
        exemplar_rows<T>(p, call.key_prune, p.prune_channels, group.frame), group, scores, ahead);
  rank(scores.logits, group, p.top_k, call.next_matches + query * p.top_k);
  const Lanes confidence = broadcast(apply_mask(scores, group, kept));
  store_part(static_cast<T*>(call.confidence) + query, confidence, 1);
  if (p.warp_channels == 0) return;
  alignas(64) float weights[kSlots];
  warp_softmax(p, scores, group.count, weights);
  weighted_sum(exemplar_rows<T>(p, call.warp_source, p.warp_channels, group.frame), p.warp_channels, group.candidates,
               weights, group.count, false, static_cast<T*>(call.warped) + query * p.warp_channels);
}

template <class T>
inline void sum_values(const DynastProblem& p, const DynastForward& call, int frame, int64_t query, const int32_t* rows,
                       const float* weights, int count) {
  weighted_sum(exemplar_rows<T>(p, call.value, p.value_channels, frame), p.value_channels, rows, weights, count, false,
               static_cast<T*>(call.attended) + query * p.value_channels);
}

// `work(group, next)` for the groups begin .. end - 1; `next` is the group after it, or null for the last one.
template <class Work>
inline void for_each_group(const DynastProblem& p, const int32_t* matches, int64_t begin, int64_t end, Work work) {
  Group groups[2];
  fill_group(p, matches, begin, groups[begin & 1]);
  for (int64_t index = begin; index < end; ++index) {
    Group& next = groups[(index + 1) & 1];
    if (index + 1 < end) fill_group(p, matches, index + 1, next);
    work(groups[index & 1], index + 1 < end ? &next : nullptr);
  }
}

// What one query keeps, from the pass over keys to the pass over values.
struct KeptCandidates {
  int32_t* rows;   // [candidates]
  float* weights;  // [candidates]
  int32_t* count;
};

// Memory for the kept candidates of `queries` queries.
class KeptCandidatesBuffer {
 public:
  KeptCandidatesBuffer(const DynastProblem& p, int64_t queries)
      : candidates_(candidate_count(p)), numbers_(queries * (2 * candidates_ + 1)) {}

  KeptCandidates of(int64_t query) const {
    float* at = numbers_.get() + query * (2 * candidates_ + 1);
    int32_t* integers = reinterpret_cast<int32_t*>(at + candidates_);
    return {integers, at, integers + candidates_};
  }

 private:
  int64_t candidates_;
  Floats numbers_;
};

// One pass over keys, then one over values, for the groups begin .. end - 1.
template <class T>
inline void forward_in_passes(const DynastProblem& p, const DynastForward& call, const Parallel& parallel,
                              const KeptCandidatesBuffer& buffer, int64_t begin, int64_t end) {
  const int64_t tasks = (end - begin + kGroupsPerTask - 1) / kGroupsPerTask;
  const int size = p.inner ? 1 : 4;
  const auto bounded = [&](int64_t index) { return index < end ? index : end; };
  parallel(tasks, [&](int64_t task) {
    const int64_t first = begin + task * kGroupsPerTask;
    int64_t place = (first - begin) * size;
    for_each_group(p, call.matches, first, bounded(first + kGroupsPerTask), [&](const Group& group, const Group* next) {
      for (int member = 0; member < group.size; ++member, ++place) {
        KeptRows kept;
        attend_without_values<T>(p, call, group, next, group.queries[member], kept);
        const KeptCandidates to = buffer.of(place);
        memcpy(to.rows, kept.rows, kept.count * sizeof(int32_t));
        memcpy(to.weights, kept.weights, kept.count * sizeof(float));
        *to.count = kept.count;
      }
    });
  });
  parallel(tasks, [&](int64_t task) {
    const int64_t first = begin + task * kGroupsPerTask, last = bounded(first + kGroupsPerTask);
    for (int64_t index = first; index < last; ++index) {
      int64_t queries[4];
      const int frame = group_queries(p, index, queries);
      for (int member = 0; member < size; ++member) {
        const int64_t place = (index - begin) * size + member;
        if (place + 1 < (last - begin) * size) {
          const KeptCandidates next = buffer.of(place + 1);
          prefetch_rows(exemplar_rows<T>(p, call.value, p.value_channels, frame), p.value_channels, next.rows,
                        *next.count);
        }
        const KeptCandidates from = buffer.of(place);
        sum_values<T>(p, call, frame, queries[member], from.rows, from.weights, *from.count);
      }
    }
  });
}

template <class T>
inline void forward(const DynastProblem& p, const DynastForward& call, const Parallel& parallel) {
  const int64_t groups = group_count(p);
  const int64_t row = p.channels + p.prune_channels + p.value_channels;
  if (static_cast<int64_t>(key_length(p)) * row * static_cast<int64_t>(sizeof(T)) > kCachedBytes) {
    const int64_t per_pass = kQueriesPerPass / (p.inner ? 1 : 4);
    const int64_t largest_pass = groups < per_pass ? groups : per_pass;
    const KeptCandidatesBuffer buffer(p, largest_pass * (p.inner ? 1 : 4));
    for (int64_t begin = 0; begin < groups; begin += per_pass)
      forward_in_passes<T>(p, call, parallel, buffer, begin, begin + per_pass < groups ? begin + per_pass : groups);
    return;
  }
  parallel((groups + kGroupsPerTask - 1) / kGroupsPerTask, [&](int64_t task) {
    const int64_t begin = task * kGroupsPerTask;
    const int64_t end = begin + kGroupsPerTask < groups ? begin + kGroupsPerTask : groups;
    for_each_group(p, call.matches, begin, end, [&](const Group& group, const Group* next) {
      for (int member = 0; member < group.size; ++member) {
        KeptRows kept;
        attend_without_values<T>(p, call, group, next, group.queries[member], kept);
        const T* values = exemplar_rows<T>(p, call.value, p.value_channels, group.frame);
        if (next && member == 0) prefetch_rows(values, p.value_channels, next->candidates, next->count);
        sum_values<T>(p, call, group.frame, group.queries[member], kept.rows, kept.weights, kept.count);
      }
    });
  });
}

DYNAST_END
