// What happens to one candidate: kept or dropped, ranked, weighed in the warp, differentiated.
#pragma once

#include <math.h>

#include "dynast/problem.h"

DYNAST_BEGIN

// A candidate contributes if its prune logit is positive.
DYNAST_INLINE bool is_kept(float prune_logit) { return prune_logit > 0.0f; }

// The mask is a step, but in training its gradient is that of a sigmoid: s (1 - s), without overflow.
DYNAST_INLINE float mask_slope(float prune_logit) {
  const float e = expf(-fabsf(prune_logit));
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

// One candidate's share of the gradients. `reward` is the gradient of its kept weight (attended's gradient times
// the value, plus confidence's), `expected` the sum of weight * mask * reward over the query's candidates.
DYNAST_INLINE float logit_gradient(float weight, bool kept, float reward, float expected) {
  return weight * ((kept ? reward : 0.0f) - expected);
}
DYNAST_INLINE float prune_gradient(float weight, float reward, float prune_logit) {
  return weight * reward * mask_slope(prune_logit);
}

DYNAST_END
