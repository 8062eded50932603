// The C interface of attention, for ctypes: checks, threads, memory. Every call that can fail returns 0, or another
// number after it wrote one line of explanation to `message`.
#include <cstdio>
#include <new>

#include "cpu/attention/kernels.h"
#include "cpu/dispatch/select.h"
#include "cpu/dispatch/threads.h"
#include "cpu/memory/buffer.h"
#include "dynast/check.h"
#include "dynast/export.h"

namespace dynast {
namespace {

bool failed(const char* message) { return message[0] != '\0'; }

const AttentionKernels* named_kernels(const char* variant, char* message, int size) {
  const AttentionKernels* kernels = select_attention_kernels(variant);
  if (!kernels) std::snprintf(message, size, "this processor cannot run kernels called %s", variant);
  return kernels;
}

const AttentionKernels* checked_kernels(const DynastProblem& problem, const int32_t* matches, const char* variant,
                                        char* message, int size) {
  check_problem(problem, message, size);
  if (!failed(message)) check_matches(problem, matches, message, size);
  return failed(message) ? nullptr : named_kernels(variant, message, size);
}

}  // namespace
}  // namespace dynast

using namespace dynast;

// Identifies the sources that the library was built from.
DYNAST_EXPORT const char* dynast_source() { return DYNAST_SOURCE; }

// The name of the variant that runs for `variant` (null or empty: the fastest) on this processor, or null.
DYNAST_EXPORT const char* dynast_variant(const char* variant) { return select_variant(variant); }

DYNAST_EXPORT int dynast_forward(const DynastProblem* problem, const DynastForward* call, int half, const char* variant,
                                 int threads, char* message, int size) {
  const AttentionKernels* kernels = checked_kernels(*problem, call->matches, variant, message, size);
  if (!kernels) return 1;
  (half ? kernels->forward_half : kernels->forward_float)(*problem, *call, Parallel{run_on_threads, &threads});
  return 0;
}

DYNAST_EXPORT int dynast_dense(const DynastDense* problem, const DynastDenseForward* call, int half,
                               const char* variant, int threads, char* message, int size) {
  check_dense(*problem, message, size);
  const AttentionKernels* kernels = failed(message) ? nullptr : named_kernels(variant, message, size);
  if (!kernels) return 1;
  (half ? kernels->dense_half : kernels->dense_float)(*problem, *call, Parallel{run_on_threads, &threads});
  return 0;
}

DYNAST_EXPORT int dynast_backward(const DynastProblem* problem, const DynastBackward* call, const char* variant,
                                  int threads, char* message, int size) {
  const DynastProblem& p = *problem;
  const AttentionKernels* kernels = checked_kernels(p, call->matches, variant, message, size);
  if (!kernels) return 1;
  const uint64_t candidates = uint64_t(p.frames) * query_length(p) * candidate_count(p);
  if (candidates >> 32) {
    std::snprintf(message, size, "%llu candidates are too many for one backward pass", (unsigned long long)candidates);
    return 1;
  }
  try {
    const int64_t count = static_cast<int64_t>(candidates);
    const Buffer<int32_t> keys(count);
    const Buffer<uint32_t> order(count), starts(int64_t{p.exemplars} * (key_length(p) + 1));
    const Buffer<CandidateGradients> gradients(count);
    const BackwardScratch scratch = {keys.get(), gradients.get(), order.get(), starts.get()};
    kernels->backward(p, *call, scratch, Parallel{run_on_threads, &threads});
  } catch (const std::bad_alloc&) {
    std::snprintf(message, size, "not enough memory for the %llu candidates of a backward pass",
                  (unsigned long long)candidates);
    return 1;
  }
  return 0;
}
