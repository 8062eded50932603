// The gradient of a softmax.
#pragma once

#include "dynast/problem.h"

DYNAST_BEGIN

// A logit's gradient, from those of the weights. `relative_gradient` is the gradient of this candidate's weight minus
// that of the candidate with the largest weight. The difference cancels in exact arithmetic, but where one candidate
// has nearly all the weight, the gradients themselves would lose most of their digits. `expected` is the sum of
// weight * relative_gradient over all candidates.
template <class T>
DYNAST_INLINE T logit_gradient(T weight, T relative_gradient, T expected) {
  return weight * (relative_gradient - expected);
}

DYNAST_END
