// What passes between the checked entry points and the kernels of each instruction set.
#pragma once

#include <stdint.h>

#include "dynast/problem.h"

extern "C" {

// Addresses of contiguous tensors, all of the same type but for the matches; shapes as in problem.h.
struct DynastForward {
  const void *query, *query_prune, *key, *key_prune, *value;
  const int32_t* matches;
  const void* warp_source;
  void* attended;         // [N, Lq, V]
  void* confidence;       // [N, Lq, 1]
  int32_t* next_matches;  // [N, Lq, top_k]
  void* warped;           // [N, Lq, W]
};

// The same for dense attention.
struct DynastDenseForward {
  const void *query, *query_prune, *key, *key_prune, *value;
  void* attended;
  void* confidence;
  int32_t* next_matches;
};

// All float32. Gradients of the inputs are written, not added; those that are null are left out.
struct DynastBackward {
  const float *query, *query_prune, *key, *key_prune, *value;
  const int32_t* matches;
  const float* warp_source;
  const float *grad_attended, *grad_confidence, *grad_warped;
  float *grad_query, *grad_query_prune, *grad_key, *grad_key_prune, *grad_value, *grad_warp_source;
};

}  // extern "C"

namespace dynast {

// Runs `task(context, i)` for i in 0 .. count - 1 on whatever threads there are, and waits for all.
struct Parallel {
  void (*run)(void* owner, int64_t count, void (*task)(void* context, int64_t i), void* context);
  void* owner;

  template <class Task>
  void operator()(int64_t count, Task task) const {
    run(owner, count, [](void* context, int64_t i) { (*static_cast<Task*>(context))(i); }, &task);
  }
};

// What the backward pass keeps of each candidate between its two halves; together, since the second half comes to
// candidates in another order.
struct CandidateShare {
  float logit_gradient, prune_gradient, kept_weight, warp_weight;
};

// Allocated by the caller.
struct Scratch {
  int32_t* keys;           // [N * Lq * M], -1 where all of the candidate's share is 0
  CandidateShare* shares;  // [N * Lq * M]
  uint32_t* order;         // [N * Lq * M]
  uint32_t* starts;        // [E * (Lk + 1)]
};

// The kernels of one instruction set.
struct Kernels {
  const char* name;
  void (*forward_float)(const DynastProblem&, const DynastForward&, const Parallel&);
  void (*forward_half)(const DynastProblem&, const DynastForward&, const Parallel&);
  void (*dense_float)(const DynastDense&, const DynastDenseForward&, const Parallel&);
  void (*dense_half)(const DynastDense&, const DynastDenseForward&, const Parallel&);
  void (*backward)(const DynastProblem&, const DynastBackward&, const Scratch&, const Parallel&);
};

}  // namespace dynast
