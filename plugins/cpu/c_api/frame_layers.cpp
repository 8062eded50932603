// The plain C interface of a frame's layers, for tests under sanitizers; ONNX Runtime's operators check and call the
// kernels themselves.
#include "cpu/dispatch/select.h"
#include "cpu/dispatch/threads.h"
#include "cpu/layers/frame_calls.h"

#define DYNAST_EXPORT extern "C" __attribute__((visibility("default")))

using namespace dynast;

DYNAST_EXPORT int dynast_convolve_halving(const DynastConvolution* sizes, const DynastConvolutionForward* call,
                                          const char* variant, int threads) {
  const MapKernels* kernels = select_map_kernels(variant);
  if (!kernels) return 1;
  kernels->convolve_halving(*sizes, *call, Parallel{run_on_threads, &threads});
  return 0;
}

DYNAST_EXPORT int dynast_spade(const DynastSpade* call, const char* variant, int threads) {
  const MapKernels* kernels = select_map_kernels(variant);
  if (!kernels) return 1;
  kernels->modulate(*call, Parallel{run_on_threads, &threads});
  return 0;
}

DYNAST_EXPORT int dynast_instance_norm(const DynastInstanceNorm* call, const char* variant, int threads) {
  const MapKernels* kernels = select_map_kernels(variant);
  if (!kernels) return 1;
  kernels->normalise(*call, Parallel{run_on_threads, &threads});
  return 0;
}
