// Host functions that launch the GPU kernels. Addresses are of device memory and multiples of 16; a stream is the
// handle of a CUDA stream. No function waits for the GPU. Problems have to pass `check_problem` or `check_dense`
// before. Matches are not checked: those outside the map count as the nearest inside.
#pragma once

#include "dynast/calls.h"

extern "C" {

// As DynastBackward, with tensors of any storage type. Gradients of the inputs are float32.
struct DynastGpuBackward {
  const void *query, *query_prune, *key, *key_prune, *value;
  const int32_t* matches;
  const void *warp_source, *grad_attended, *grad_confidence, *grad_warped;
  float *grad_query, *grad_query_prune, *grad_key, *grad_key_prune, *grad_value, *grad_warp_source;
};

}  // extern "C"

namespace dynast {

enum StorageType { kFloat = 0, kHalf = 1, kBfloat = 2 };

struct Dimensions {
  int64_t x, y, z;
  int threads;
};

// Threads that share a query in the forward pass: at least as many as can keep all candidates, and more as long as each
// of them has 16 bytes of a key to read.
int forward_team(const DynastProblem& problem, StorageType type);

Dimensions forward_dimensions(const DynastProblem& problem, int team);
Dimensions dense_dimensions(const DynastDense& problem);

// `team` is 8, 16 or 32, or 0 for `forward_team`. All return an error message, or null.
const char* gpu_forward(const DynastProblem& problem, const DynastForward& call, StorageType type, int team,
                        void* stream);
const char* gpu_dense(const DynastDense& problem, const DynastDenseForward& call, StorageType type, void* stream);

// Bytes of device memory that the backward pass needs while it runs; 0 with atomics.
int64_t backward_workspace(const DynastProblem& problem, bool atomic);
const char* gpu_backward(const DynastProblem& problem, const DynastGpuBackward& call, StorageType type, bool atomic,
                         void* workspace, void* stream);

}  // namespace dynast
