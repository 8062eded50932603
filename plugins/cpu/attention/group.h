// The queries of one layer in groups that share their candidates, and what the scores of a group's query are.
#pragma once

#include <math.h>

#include "cpu/simd/rows.h"
#include "dynast/candidates.h"
#include "dynast/mask.h"

DYNAST_BEGIN

// Room for the most candidates, rounded up to whole vectors.
constexpr int kSlots = (kMaxCandidates + 15) / 16 * 16;

// Inter-scale: a 2x2 window of queries. Inner-scale: a single query.
struct Group {
  int frame;
  int size;
  int64_t queries[4];  // rows of the query tensor, all frames counted through
  int count;           // candidates
  int32_t candidates[kSlots];
};

inline int64_t group_count(const DynastProblem& p) {
  return static_cast<int64_t>(p.frames) * query_length(p) / (p.inner ? 1 : 4);
}

// The queries of a group, as far as there are, and their frame.
inline int group_queries(const DynastProblem& p, int64_t index, int64_t* queries) {
  const int per_frame = query_length(p) / (p.inner ? 1 : 4), width = p.query_width / 2;
  const int frame = static_cast<int>(index / per_frame);
  const int place = static_cast<int>(index - static_cast<int64_t>(frame) * per_frame);
  const int64_t first = static_cast<int64_t>(frame) * query_length(p);
  if (p.inner) {
    queries[0] = first + place;
    return frame;
  }
  const int y = place / width, x = place - y * width;
  for (int i = 0; i < 4; ++i) queries[i] = first + static_cast<int64_t>(2 * y + i / 2) * p.query_width + 2 * x + i % 2;
  return frame;
}

inline void fill_group(const DynastProblem& p, const int32_t* matches, int64_t index, Group& group) {
  const int per_frame = query_length(p) / (p.inner ? 1 : 4);
  group.frame = group_queries(p, index, group.queries);
  const int place = static_cast<int>(index - static_cast<int64_t>(group.frame) * per_frame);
  const int64_t first = static_cast<int64_t>(group.frame) * query_length(p);
  group.count = candidate_count(p);
  if (p.inner) {
    const int32_t* of_frame = matches + first * p.matches_k;
    group.size = 1;
    const int y = place / p.query_width, x = place - y * p.query_width;
    int slot = 0;
    for (int side = 0; side < 5; ++side) {
      const int32_t* of_neighbour = of_frame + static_cast<int64_t>(neighbour(p, side, y, x)) * p.matches_k;
      for (int rank = 0; rank < p.matches_k; ++rank)
        group.candidates[slot++] = moved_match(p, side, of_neighbour[rank]);
    }
  } else {
    group.size = 4;
    for (int slot = 0; slot < group.count; ++slot)
      group.candidates[slot] = inter_candidate(p, matches + index * p.matches_k, slot);
  }
  // Dot products come four at a time.
  for (int slot = group.count; slot % 4; ++slot) group.candidates[slot] = group.candidates[slot - 1];
}

// In place: softmax over the first `count` of `slots` numbers; the room up to a whole vector becomes 0.
inline void softmax(float* slots, int count) {
  const int end = rounded_up(count, kLanes);
  for (int i = count; i < end; ++i) slots[i] = -INFINITY;
  Lanes most = load(slots);
  for (int i = kLanes; i < end; i += kLanes) {
    const Lanes x = load(slots + i);
    most = x > most ? x : most;
  }
  const Lanes top = fill(largest(most));
  Lanes total = {};
  for (int i = 0; i < end; i += kLanes) {
    const Lanes e = exp_nonpositive(load(slots + i) - top);
    total += e;
    store(slots + i, e);
  }
  const Lanes scale = fill(1.0f / sum(total));
  for (int i = 0; i < end; i += kLanes) store(slots + i, load(slots + i) * scale);
}

// What is known about each candidate of one query before values are read.
struct Scores {
  alignas(64) float logits[kSlots];
  alignas(64) float prune_logits[kSlots];
  alignas(64) float weights[kSlots];  // softmax of the logits
};

// `numbers` where the mask keeps the candidates from `first` on, and 0 elsewhere.
inline Lanes kept_only(const Scores& scores, int first, Lanes numbers) {
  return load(scores.prune_logits + first) > 0.0f ? numbers : Lanes{};
}

// `ahead` as for dot_rows.
template <class T>
inline void score(const DynastProblem& p, const T* query, const T* query_prune, const T* key, const T* key_prune,
                  const Group& group, Scores& scores, const int32_t* ahead = nullptr) {
  dot_rows(query, key, p.channels, group.candidates, group.count, scores.logits, ahead);
  dot_rows(query_prune, key_prune, p.prune_channels, group.candidates, group.count, scores.prune_logits, ahead);
  const float scale = 1.0f / p.temperature;
  for (int i = 0; i < group.count; i += kLanes) {
    const Lanes logits = load(scores.logits + i) * scale;
    store(scores.logits + i, logits);
    store(scores.weights + i, logits);
  }
  softmax(scores.weights, group.count);
}

// The best `top_k` candidates, as a `Ranking` has them: few are taken one after the other as the largest that is left,
// since a processor foresees none of a ranking's branches where matches are not alike.
inline void rank(const float* logits, const Group& group, int top_k, int32_t* best) {
  constexpr int kFew = 6;
  IntLanes lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  const int count = group.count, vectors = (count + kLanes - 1) / kLanes;
  Lanes left[kSlots / kLanes];
  for (int v = 0; v < vectors; ++v) left[v] = lane < count - v * kLanes ? load(logits + v * kLanes) : fill(-INFINITY);
  for (int place = 0; place < top_k; ++place) {
    Lanes most = left[0];
    for (int v = 1; v < vectors; ++v) most = left[v] > most ? left[v] : most;
    const float top = largest(most);
    if (top_k > kFew || !(top > -INFINITY)) {
      Ranking ranking;
      for (int i = 0; i < count; ++i) ranking.offer(logits[i], group.candidates[i], top_k);
      memcpy(best, ranking.keys, static_cast<size_t>(top_k) * sizeof(int32_t));
      return;
    }
    int v = 0;
    uint32_t places = equal_lanes(left[0], fill(top));
    while (!places) places = equal_lanes(left[++v], fill(top));
    const int first = __builtin_ctz(places);
    best[place] = group.candidates[v * kLanes + first];
    left[v] = lane == first ? fill(-INFINITY) : left[v];
  }
}

// slopes[i] = the mask's derivative at prune_logits[i], whose room is read up to a whole vector.
inline void mask_slopes(float* prune_logits, int count, float* slopes) {
  const int end = rounded_up(count, kLanes);
  for (int i = count; i < end; ++i) prune_logits[i] = 0.0f;
  for (int i = 0; i < end; i += kLanes) {
    const Lanes x = load(prune_logits + i);
    store(slopes + i, mask_slope(exp_nonpositive(x < 0.0f ? x : -x)));
  }
}

// Gradients of logits under a softmax: `rewards` are the gradients of the `count` weights, see `logit_gradient`. The
// rooms are read and written up to a whole vector, where weights are 0.
inline void softmax_gradient(const float* weights, float* rewards, int count, float* gradients) {
  const int end = rounded_up(count, kLanes);
  for (int i = count; i < end; ++i) rewards[i] = 0.0f;
  Lanes most = load(weights);
  for (int i = kLanes; i < end; i += kLanes) {
    const Lanes w = load(weights + i);
    most = w > most ? w : most;
  }
  const Lanes heaviest = fill(largest(most));
  Lanes theirs = fill(-INFINITY);  // rewards; of several as heavy the largest
  for (int i = 0; i < end; i += kLanes) {
    const Lanes r = load(weights + i) == heaviest ? load(rewards + i) : fill(-INFINITY);
    theirs = r > theirs ? r : theirs;
  }
  const Lanes anchor = fill(largest(theirs));
  Lanes total = {};
  for (int i = 0; i < end; i += kLanes) total += load(weights + i) * (load(rewards + i) - anchor);
  const Lanes expected = fill(sum(total));
  for (int i = 0; i < end; i += kLanes)
    store(gradients + i, logit_gradient(load(weights + i), load(rewards + i) - anchor, expected));
}

// Softmax of the warp, see `warp_replaces`.
inline void warp_softmax(const DynastProblem& p, const Scores& scores, int count, float* weights) {
  const Lanes replaced = fill(kWarpFill);
  for (int i = 0; i < count; i += kLanes) {
    const Lanes logits = load(scores.logits + i);
    const bool replaces_kept = warp_replaces(p, true);
    store(weights + i, load(scores.prune_logits + i) > 0.0f ? (replaces_kept ? replaced : logits)
                                                            : (replaces_kept ? logits : replaced));
  }
  softmax(weights, count);
}

DYNAST_END
