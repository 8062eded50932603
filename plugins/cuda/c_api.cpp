// The C interface of the GPU kernels, for ctypes. Every call that can fail returns 0, or another number after it wrote
// one line of explanation to `message`.
#include <cstdio>

#include "cuda/launch.h"
#include "dynast/check.h"
#include "dynast/export.h"

namespace dynast {
namespace {

int failed(const char* what, char* message, int size) {
  if (!what) return 0;
  std::snprintf(message, size, "%s", what);
  return 1;
}

// Whether a problem failed its checks, or an address is not aligned for reads of 16 bytes.
template <size_t kCount>
int refused(const void* const (&addresses)[kCount], char* message, int size) {
  if (message[0] != '\0') return 1;
  for (const void* address : addresses)
    if (reinterpret_cast<uintptr_t>(address) % 16) return failed("an address is not a multiple of 16", message, size);
  return 0;
}

}  // namespace
}  // namespace dynast

using namespace dynast;

// Identifies the sources that the library was built from.
DYNAST_EXPORT const char* dynast_source() { return DYNAST_SOURCE; }

// Writes the blocks in x, y and z and the threads of a forward launch. A `team` of 0 is replaced by the chosen one.
DYNAST_EXPORT void dynast_gpu_forward_launch(const DynastProblem* p, int type, int* team, int64_t* launch) {
  if (*team == 0) *team = forward_team(*p, static_cast<StorageType>(type));
  const Dimensions d = forward_dimensions(*p, *team);
  const int64_t numbers[] = {d.x, d.y, d.z, d.threads};
  for (int i = 0; i < 4; ++i) launch[i] = numbers[i];
}

DYNAST_EXPORT void dynast_gpu_dense_launch(const DynastDense* p, int64_t* launch) {
  const Dimensions d = dense_dimensions(*p);
  const int64_t numbers[] = {d.x, d.y, d.z, d.threads};
  for (int i = 0; i < 4; ++i) launch[i] = numbers[i];
}

DYNAST_EXPORT int64_t dynast_gpu_backward_workspace(const DynastProblem* p, int atomic) {
  return backward_workspace(*p, atomic != 0);
}

DYNAST_EXPORT int dynast_gpu_forward(const DynastProblem* p, const DynastForward* c, int type, int team, void* stream,
                                     char* message, int size) {
  check_problem(*p, message, size);
  const void* const addresses[] = {c->query,   c->query_prune, c->key,      c->key_prune, c->value,
                                   c->matches, c->warp_source, c->attended, c->warped};
  if (refused(addresses, message, size)) return 1;
  return failed(gpu_forward(*p, *c, static_cast<StorageType>(type), team, stream), message, size);
}

DYNAST_EXPORT int dynast_gpu_dense(const DynastDense* p, const DynastDenseForward* c, int type, void* stream,
                                   char* message, int size) {
  check_dense(*p, message, size);
  const void* const addresses[] = {c->query, c->query_prune, c->key, c->key_prune, c->value, c->attended};
  if (refused(addresses, message, size)) return 1;
  return failed(gpu_dense(*p, *c, static_cast<StorageType>(type), stream), message, size);
}

DYNAST_EXPORT int dynast_gpu_backward(const DynastProblem* p, const DynastGpuBackward* c, int type, int atomic,
                                      void* workspace, void* stream, char* message, int size) {
  check_problem(*p, message, size);
  const void* const addresses[] = {c->query,          c->query_prune, c->key,      c->key_prune,
                                   c->value,          c->warp_source, c->matches,  c->grad_attended,
                                   c->grad_warped,    c->grad_query,  c->grad_key, c->grad_query_prune,
                                   c->grad_key_prune, c->grad_value,  workspace,   c->grad_warp_source};
  if (refused(addresses, message, size)) return 1;
  return failed(gpu_backward(*p, *c, static_cast<StorageType>(type), atomic != 0, workspace, stream), message, size);
}
