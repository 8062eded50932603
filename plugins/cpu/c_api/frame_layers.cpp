// The C interface of a rendered frame's layers, for tests under sanitizers. It checks nothing: ONNX Runtime's operators
// check their inputs and call the kernels themselves.
#include "cpu/dispatch/threads.h"
#include "cpu/layers/kernels.h"
#include "dynast/export.h"

using namespace dynast;

DYNAST_EXPORT int dynast_convolve_stride2(const DynastConvolution* sizes, const DynastConvolutionForward* call,
                                          const char* variant, int threads) {
  const FrameLayerKernels* kernels = select_frame_kernels(variant);
  if (!kernels) return 1;
  kernels->convolve_stride2(*sizes, *call, Parallel{run_on_threads, &threads});
  return 0;
}

DYNAST_EXPORT int dynast_spade(const DynastSpade* call, const char* variant, int threads) {
  const FrameLayerKernels* kernels = select_frame_kernels(variant);
  if (!kernels) return 1;
  kernels->spade(*call, Parallel{run_on_threads, &threads});
  return 0;
}

DYNAST_EXPORT int dynast_instance_norm(const DynastInstanceNorm* call, const char* variant, int threads) {
  const FrameLayerKernels* kernels = select_frame_kernels(variant);
  if (!kernels) return 1;
  kernels->instance_norm(*call, Parallel{run_on_threads, &threads});
  return 0;
}
