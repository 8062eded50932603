// The table of attention kernels, one for each instruction set, and the memory that the backward pass needs.
#pragma once

#include "cpu/dispatch/parallel.h"
#include "dynast/calls.h"

namespace dynast {

// What the backward pass keeps of each candidate from its first half to its second. The numbers of one candidate lie
// together, since the second half reads the candidates in another order.
struct CandidateGradients {
  float logit_gradient, prune_gradient, kept_weight, warp_weight;
};

// Allocated by the caller.
struct BackwardScratch {
  int32_t* keys;                  // [N * Lq * M], -1 where all of the candidate's gradients are 0
  CandidateGradients* gradients;  // [N * Lq * M]
  uint32_t* order;                // [N * Lq * M]
  uint32_t* starts;               // [E * (Lk + 1)]
};

struct AttentionKernels {
  const char* name;  // of the variant: "plain", "avx2" or "avx512"
  void (*forward_float)(const DynastProblem&, const DynastForward&, const Parallel&);
  void (*forward_half)(const DynastProblem&, const DynastForward&, const Parallel&);
  void (*dense_float)(const DynastDense&, const DynastDenseForward&, const Parallel&);
  void (*dense_half)(const DynastDense&, const DynastDenseForward&, const Parallel&);
  void (*backward)(const DynastProblem&, const DynastBackward&, const BackwardScratch&, const Parallel&);
};

// The kernels of variant `name` (null or empty: the fastest); null where this processor does not run it.
const AttentionKernels* select_attention_kernels(const char* name);

}  // namespace dynast
