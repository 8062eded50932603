// The best candidates of a query.
#pragma once

#include "dynast/problem.h"

DYNAST_BEGIN

// The best `top_k` candidates so far, largest logit first. Of equal logits the earlier slot ranks first.
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

DYNAST_END
