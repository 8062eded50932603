// Forward pass on the CPU.
#pragma once

#include "cpu/attention/group.h"
#include "cpu/memory/buffer.h"
#include "dynast/calls.h"

DYNAST_BEGIN

// Groups that one task works through.
constexpr int64_t kGroupsPerTask = 64;

// Tables of keys and values that together are larger than this are gone through one after the other, so that each finds
// more room in the last cache than both would. Many processors have 32 MB of it.
constexpr int64_t kCachedBytes = int64_t{24} << 20;

// Queries between the two, and so the memory for what has to be remembered of them.
constexpr int64_t kQueriesPerPass = int64_t{1} << 16;

// The first rows of this frame's exemplar.
template <class T>
inline const T* of_exemplar(const DynastProblem& p, const void* table, int channels, int frame) {
  const int64_t tokens = p.exemplars == 1 ? 0 : static_cast<int64_t>(frame) * key_length(p);
  return static_cast<const T*>(table) + tokens * channels;
}

using Kept = WeightedRows<kSlots>;

// A weight this much smaller than the largest kept one is lost in float32's rounding of the sum, of as many as there
// are.
constexpr float kNegligible = 0x1p-32f;

// What the masks keep of the candidates, and what is not negligible of that.
inline float keep(const Scores& scores, const Group& group, Kept& kept) {
  const int end = rounded_up(group.count, kLanes);
  alignas(64) float weights[kSlots];
  Lanes confidence = {}, largest_kept = {};
  for (int i = 0; i < end; i += kLanes) {
    // Weights beyond the candidates are 0, whatever the prune logits there.
    const Lanes kept_weight = kept_only(scores, i, load(scores.weights + i));
    confidence += kept_weight;
    largest_kept = kept_weight > largest_kept ? kept_weight : largest_kept;
    store(weights + i, kept_weight);
  }
  const float least = largest(largest_kept) * kNegligible;
  for (int i = 0; i < group.count; ++i) kept.add(group.candidates[i], weights[i] >= least ? weights[i] : 0.0f);
  return sum(confidence);
}

// Everything about one of a group's queries but its sum of values: confidence, matches, warp.
template <class T>
inline void weigh(const DynastProblem& p, const DynastForward& call, const Group& group, const Group* next,
                  int64_t query, Kept& kept) {
  // Another exemplar's keys are not worth asking for by these tables.
  const int32_t* ahead = next && (p.exemplars == 1 || next->frame == group.frame) ? next->candidates : nullptr;
  Scores scores;
  score(p, static_cast<const T*>(call.query) + query * p.channels,
        static_cast<const T*>(call.query_prune) + query * p.prune_channels,
        of_exemplar<T>(p, call.key, p.channels, group.frame),
        of_exemplar<T>(p, call.key_prune, p.prune_channels, group.frame), group, scores, ahead);
  rank(scores.logits, group, p.top_k, call.next_matches + query * p.top_k);
  const Lanes confidences = fill(keep(scores, group, kept));
  store_part(static_cast<T*>(call.confidence) + query, confidences, 1);
  if (p.warp_channels == 0) return;
  alignas(64) float weights[kSlots];
  warp_softmax(p, scores, group.count, weights);
  weighted_sum(of_exemplar<T>(p, call.warp_source, p.warp_channels, group.frame), p.warp_channels, group.candidates,
               weights, group.count, false, static_cast<T*>(call.warped) + query * p.warp_channels);
}

template <class T>
inline void sum_values(const DynastProblem& p, const DynastForward& call, int frame, int64_t query, const int32_t* rows,
                       const float* weights, int count) {
  weighted_sum(of_exemplar<T>(p, call.value, p.value_channels, frame), p.value_channels, rows, weights, count, false,
               static_cast<T*>(call.attended) + query * p.value_channels);
}

// `work(group, ahead)` for the groups begin .. end - 1; `ahead` are the next group's candidates, or null at the end.
template <class Work>
inline void each_group(const DynastProblem& p, const int32_t* matches, int64_t begin, int64_t end, Work work) {
  Group groups[2];
  fill_group(p, matches, begin, groups[begin & 1]);
  for (int64_t index = begin; index < end; ++index) {
    Group& next = groups[(index + 1) & 1];
    if (index + 1 < end) fill_group(p, matches, index + 1, next);
    work(groups[index & 1], index + 1 < end ? &next : nullptr);
  }
}

// What one query keeps, between the passes over keys and values.
struct Remembered {
  int32_t* rows;   // [candidates]
  float* weights;  // [candidates]
  int32_t* count;
};

// Memory for kQueriesPerPass queries.
class Memory {
 public:
  Memory(const DynastProblem& p, int64_t queries)
      : candidates_(candidate_count(p)), numbers_(queries * (2 * candidates_ + 1)) {}

  Remembered of(int64_t place) const {
    float* at = numbers_.get() + place * (2 * candidates_ + 1);
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
                              const Memory& memory, int64_t begin, int64_t end) {
  const int64_t tasks = (end - begin + kGroupsPerTask - 1) / kGroupsPerTask;
  const int size = p.inner ? 1 : 4;
  const auto bounded = [&](int64_t index) { return index < end ? index : end; };
  parallel(tasks, [&](int64_t task) {
    const int64_t first = begin + task * kGroupsPerTask;
    int64_t place = (first - begin) * size;
    each_group(p, call.matches, first, bounded(first + kGroupsPerTask), [&](const Group& group, const Group* next) {
      for (int member = 0; member < group.size; ++member, ++place) {
        Kept kept;
        weigh<T>(p, call, group, next, group.queries[member], kept);
        const Remembered to = memory.of(place);
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
          const Remembered next = memory.of(place + 1);
          prefetch_rows(of_exemplar<T>(p, call.value, p.value_channels, frame), p.value_channels, next.rows,
                        *next.count);
        }
        const Remembered from = memory.of(place);
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
    const int64_t most = groups < per_pass ? groups : per_pass;
    const Memory memory(p, most * (p.inner ? 1 : 4));
    for (int64_t begin = 0; begin < groups; begin += per_pass)
      forward_in_passes<T>(p, call, parallel, memory, begin, begin + per_pass < groups ? begin + per_pass : groups);
    return;
  }
  parallel((groups + kGroupsPerTask - 1) / kGroupsPerTask, [&](int64_t task) {
    const int64_t begin = task * kGroupsPerTask;
    const int64_t end = begin + kGroupsPerTask < groups ? begin + kGroupsPerTask : groups;
    each_group(p, call.matches, begin, end, [&](const Group& group, const Group* next) {
      for (int member = 0; member < group.size; ++member) {
        Kept kept;
        weigh<T>(p, call, group, next, group.queries[member], kept);
        const T* values = of_exemplar<T>(p, call.value, p.value_channels, group.frame);
        if (next && member == 0) prefetch_rows(values, p.value_channels, next->candidates, next->count);
        sum_values<T>(p, call, group.frame, group.queries[member], kept.rows, kept.weights, kept.count);
      }
    });
  });
}

DYNAST_END
