// The scores of one query's candidates: logits, prune logits, weights, and their gradients.
#pragma once

#include <math.h>

#include "cpu/attention/group.h"
#include "cpu/simd/rows.h"
#include "dynast/mask.h"
#include "dynast/ranking.h"
#include "dynast/softmax.h"

DYNAST_BEGIN

// In place: softmax over the first `count` numbers. The slots from there up to a whole vector become 0.
inline void softmax(float* slots, int count) {
  const int end = rounded_up(count, kLanes);
  for (int i = count; i < end; ++i) slots[i] = -INFINITY;
  Lanes largest = load(slots);
  for (int i = kLanes; i < end; i += kLanes) {
    const Lanes x = load(slots + i);
    largest = x > largest ? x : largest;
  }
  const Lanes top = broadcast(reduce_max(largest));
  Lanes total = {};
  for (int i = 0; i < end; i += kLanes) {
    const Lanes e = exp_nonpositive(load(slots + i) - top);
    total += e;
    store(slots + i, e);
  }
  const Lanes scale = broadcast(1.0f / reduce_sum(total));
  for (int i = 0; i < end; i += kLanes) store(slots + i, load(slots + i) * scale);
}

// All that is known about each candidate of one query before values are read.
struct Scores {
  alignas(64) float logits[kSlots];
  alignas(64) float prune_logits[kSlots];
  alignas(64) float weights[kSlots];  // softmax of the logits
};

// `numbers` where the mask keeps the candidates from `first` on, and 0 elsewhere.
inline Lanes kept_only(const Scores& scores, int first, Lanes numbers) {
  return is_kept(load(scores.prune_logits + first)) ? numbers : Lanes{};
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

// The keys of the best `top_k` candidates, in the order of `Ranking`. A small `top_k` takes the largest of what is left
// again and again, without branches: those of `Ranking` are unpredictable where neighbouring queries have unlike
// matches.
inline void rank(const float* logits, const Group& group, int top_k, int32_t* best) {
  constexpr int kMaxUnbranched = 6;
  IntLanes lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  const int count = group.count, vectors = (count + kLanes - 1) / kLanes;
  Lanes left[kSlots / kLanes];
  for (int v = 0; v < vectors; ++v)
    left[v] = lane < count - v * kLanes ? load(logits + v * kLanes) : broadcast(-INFINITY);
  for (int place = 0; place < top_k; ++place) {
    Lanes largest = left[0];
    for (int v = 1; v < vectors; ++v) largest = left[v] > largest ? left[v] : largest;
    const float top = reduce_max(largest);
    if (top_k > kMaxUnbranched || !(top > -INFINITY)) {
      Ranking ranking;
      for (int i = 0; i < count; ++i) ranking.offer(logits[i], group.candidates[i], top_k);
      memcpy(best, ranking.keys, static_cast<size_t>(top_k) * sizeof(int32_t));
      return;
    }
    int v = 0;
    uint32_t places = equal_lanes(left[0], broadcast(top));
    while (!places) places = equal_lanes(left[++v], broadcast(top));
    const int first = __builtin_ctz(places);
    best[place] = group.candidates[v * kLanes + first];
    left[v] = lane == first ? broadcast(-INFINITY) : left[v];
  }
}

// slopes[i] = the mask's derivative at prune_logits[i]. Both arrays are used up to a whole vector.
inline void mask_slopes(float* prune_logits, int count, float* slopes) {
  const int end = rounded_up(count, kLanes);
  for (int i = count; i < end; ++i) prune_logits[i] = 0.0f;
  for (int i = 0; i < end; i += kLanes) {
    const Lanes x = load(prune_logits + i);
    store(slopes + i, mask_slope(exp_nonpositive(x < 0.0f ? x : -x)));
  }
}

// Gradients of the logits under a softmax, from the gradients of its `count` weights; see `logit_gradient`. All arrays
// are used up to a whole vector, where weights have to be 0.
inline void softmax_gradient(const float* weights, float* weight_gradients, int count, float* gradients) {
  const int end = rounded_up(count, kLanes);
  for (int i = count; i < end; ++i) weight_gradients[i] = 0.0f;
  Lanes largest = load(weights);
  for (int i = kLanes; i < end; i += kLanes) {
    const Lanes w = load(weights + i);
    largest = w > largest ? w : largest;
  }
  const Lanes largest_weight = broadcast(reduce_max(largest));
  Lanes theirs =
      broadcast(-INFINITY);  // gradients of the largest weights; if several are as large, the largest of them
  for (int i = 0; i < end; i += kLanes) {
    const Lanes g = load(weights + i) == largest_weight ? load(weight_gradients + i) : broadcast(-INFINITY);
    theirs = g > theirs ? g : theirs;
  }
  const Lanes reference = broadcast(reduce_max(theirs));
  Lanes total = {};
  for (int i = 0; i < end; i += kLanes) total += load(weights + i) * (load(weight_gradients + i) - reference);
  const Lanes expected = broadcast(reduce_sum(total));
  for (int i = 0; i < end; i += kLanes)
    store(gradients + i, logit_gradient(load(weights + i), load(weight_gradients + i) - reference, expected));
}

// Softmax of the warp, see `warp_replaces`.
inline void warp_softmax(const DynastProblem& p, const Scores& scores, int count, float* weights) {
  const Lanes replaced = broadcast(kWarpFill);
  for (int i = 0; i < count; i += kLanes) {
    const Lanes logits = load(scores.logits + i);
    const bool replaces_kept = warp_replaces(p, true);
    store(weights + i, is_kept(load(scores.prune_logits + i)) ? (replaces_kept ? replaced : logits)
                                                              : (replaces_kept ? logits : replaced));
  }
  softmax(weights, count);
}

DYNAST_END
