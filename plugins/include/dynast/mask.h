// The mask's rule: which candidates contribute, what its gradient is, and what the warp's softmax makes of it. CPU and
// CUDA kernels both use these functions; `dynast_deploy/attention.py` is the reference.
#pragma once

#include "dynast/problem.h"

DYNAST_BEGIN

// Whether a candidate contributes. `T` is a number, or a vector of numbers, for which the result is a mask of lanes.
template <class T>
DYNAST_INLINE auto is_kept(T prune_logit) {
  return prune_logit > 0.0f;
}

// The mask is a step, but in training its gradient is that of a sigmoid, s (1 - s). `e` is exp(-|prune logit|), which
// cannot overflow; `T` is a number or a vector of numbers.
template <class T>
DYNAST_INLINE T mask_slope(T e) {
  return e / ((1.0f + e) * (1.0f + e));
}

// The warp's softmax leaves no candidate out. It replaces logits by -1e4: those of the candidates that the mask drops
// or, in the published form, of those that it keeps. If all are replaced, all have the same weight.
constexpr float kWarpFill = -1e4f;
DYNAST_INLINE bool warp_replaces(const DynastProblem& p, bool kept) { return kept == (p.warp_published != 0); }

DYNAST_END
