// The tensors of one attention call, as they pass the C boundary; `plugins/bindings/native.py` mirrors these
// structures.
//
// All are addresses of contiguous tensors, with the shapes of problem.h.
#pragma once

#include "dynast/problem.h"

extern "C" {

// Tensors of one type, float or float16 (on a GPU also bfloat16), except for the int32 matches.
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

// All float32. Gradients of the inputs are written, not added; null gradients are not computed.
struct DynastBackward {
  const float *query, *query_prune, *key, *key_prune, *value;
  const int32_t* matches;
  const float* warp_source;
  const float *grad_attended, *grad_confidence, *grad_warped;
  float *grad_query, *grad_query_prune, *grad_key, *grad_key_prune, *grad_value, *grad_warp_source;
};

}  // extern "C"
