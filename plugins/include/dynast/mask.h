// What happens to one candidate: kept or dropped, ranked, weighed in the warp, differentiated.
#pragma once

#include "dynast/problem.h"

DYNAST_BEGIN

// A candidate contributes if its prune logit is positive.
DYNAST_INLINE bool is_kept(float prune_logit) { return prune_logit > 0.0f; }

// The mask is a step, but in training its gradient is that of a sigmoid, s (1 - s). `e` is exp(-|prune logit|),
// which cannot overflow; T is a number or a vector of them.
template <class T>
DYNAST_INLINE T mask_slope(T e) {
  return e / ((1.0f + e) * (1.0f + e));
}

// The warp's softmax does not leave candidates out, it replaces their logits by -1e4: those that the mask drops
// or, in the published form, those that it keeps. If all are replaced, all weigh the same.
constexpr float kWarpFill = -1e4f;
DYNAST_INLINE bool warp_replaces(const DynastProblem& p, bool kept) { return kept == (p.warp_published != 0); }

// The best `top_k` candidates so far, largest logit first. Of equal logits the earlier slot wins.
struct Ranking {
  float logits[kMaxTopK];
  int32_t keys[kMaxTopK];
  int count = 0;

  // Candidates have to be offered in the order of their slots.
  DYNAST_INLINE void offer(float logit, int32_t key, int top_k) {
    if (count == top_k && !(logit > logits[top_k - 1])) return;
    int place = count < top_k ? count++ : top_k - 1;
    for (; place > 0 && logit > logits[place - 1]; --place) {
      logits[place] = logits[place - 1];
      keys[place] = keys[place - 1];
    }
    logits[place] = logit;
    keys[place] = key;
  }
};

// A logit's gradient under a softmax. A `reward` is the gradient of a weight; it counts relative to the reward of
// the heaviest candidate: the difference cancels in exact arithmetic, but where one candidate has nearly all the
// weight it is all that is left of the precision. `expected` is the sum of weight * relative reward.
template <class T>
DYNAST_INLINE T logit_gradient(T weight, T relative_reward, T expected) {
  return weight * (relative_reward - expected);
}

DYNAST_END
