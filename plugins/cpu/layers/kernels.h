// The tables of the other layers' kernels, one of each for each instruction set.
#pragma once

#include "cpu/convolution/calls.h"
#include "cpu/dispatch/parallel.h"
#include "cpu/layers/frame_calls.h"
#include "cpu/layers/training_calls.h"

namespace dynast {

// The layers of a training step, with gradients.
struct TrainingLayerKernels {
  const char* name;  // of the variant: "plain", "avx2" or "avx512"
  void (*convolve)(const DynastConvolution&, const DynastConvolutionForward&, const Parallel&);
  void (*convolve_back)(const DynastConvolution&, const DynastConvolutionBackward&, const Parallel&);
  void (*modulate)(const DynastModulation&, const DynastModulationForward&, const Parallel&);
  void (*modulate_back)(const DynastModulation&, const DynastModulationBackward&, const Parallel&);
  void (*unit_tokens)(const DynastUnitTokens&, const DynastUnitTokensForward&, const Parallel&);
  void (*unit_tokens_back)(const DynastUnitTokens&, const DynastUnitTokensBackward&, const Parallel&);
  void (*project)(const DynastProjections&, const DynastProjectionsForward&, const Parallel&);
  void (*project_back)(const DynastProjections&, const DynastProjectionsBackward&, const Parallel&);
  void (*norm)(const DynastNorm&, const DynastNormForward&, const Parallel&);
  void (*norm_back)(const DynastNorm&, const DynastNormBackward&, const Parallel&);
  void (*activate)(const DynastActivation&, const Parallel&);
  void (*activate_back)(const DynastActivation&, const Parallel&);
  void (*spectral_norm)(const DynastSpectralNorm&, const DynastSpectralNormForward&, const Parallel&);
  void (*spectral_norm_back)(const DynastSpectralNorm&, const DynastSpectralNormBackward&, const Parallel&);
  void (*upsample)(const DynastUpsampling&, const Parallel&);
  void (*upsample_back)(const DynastUpsampling&, const Parallel&);
};

// The layers of a rendered frame.
struct FrameLayerKernels {
  const char* name;
  // Stride 1; and stride 2 with an output of half the height and width, rounded up.
  void (*convolve)(const DynastConvolution&, const DynastConvolutionForward&, const Parallel&);
  void (*convolve_stride2)(const DynastConvolution&, const DynastConvolutionForward&, const Parallel&);
  void (*activate)(const DynastActivation&, const Parallel&);
  void (*spade)(const DynastSpade&, const Parallel&);
  void (*instance_norm)(const DynastInstanceNorm&, const Parallel&);
  void (*upsample)(const DynastUpsampling&, const Parallel&);
};

// The kernels of variant `name` (null or empty: the fastest); null where this processor does not run it.
const TrainingLayerKernels* select_training_kernels(const char* name);
const FrameLayerKernels* select_frame_kernels(const char* name);

}  // namespace dynast
