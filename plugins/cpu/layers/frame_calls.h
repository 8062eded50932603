// What passes between the checked entry points of a rendered frame's layers and their kernels. Maps are
// [N, H, W, C], float32, contiguous.
#pragma once

#include "cpu/layers/training_calls.h"

extern "C" {

// Tokens [L, C], each normalised over its channels to u as in DynastModulation, and modulated: z = gamma * u + beta.
// Without `attended` the output is z, its negative numbers times `slope`. With it, the output is the normalised sum
// attended + (1 - confidence) * z + input.
struct DynastSpade {
  int64_t length;
  int32_t channels;
  float slope;
  const float *input, *gamma, *beta;   // [L, C]
  const float *attended, *confidence;  // [L, C], [L], or both null
  float* output;                       // [L, C]
};

// Each channel of each map normalised over its pixels: scale * (x - mean) / sqrt(variance + epsilon) + bias, the
// variance biased.
struct DynastInstanceNorm {
  int32_t batch, channels;
  int64_t pixels;
  float epsilon;
  const float *input, *scale, *bias;  // the latter [C]
  float* output;
};

}  // extern "C"

namespace dynast {

// The kernels of one instruction set.
struct MapKernels {
  const char* name;
  // Of stride 1, and of stride 2 with an output of half the height and width, rounded up.
  void (*convolve)(const DynastConvolution&, const DynastConvolutionForward&, const Parallel&);
  void (*convolve_halving)(const DynastConvolution&, const DynastConvolutionForward&, const Parallel&);
  void (*activate)(const DynastActivation&, const Parallel&);
  void (*modulate)(const DynastSpade&, const Parallel&);
  void (*normalise)(const DynastInstanceNorm&, const Parallel&);
  void (*upsample)(const DynastUpsampling&, const Parallel&);
};

const MapKernels* select_map_kernels(const char* name);

}  // namespace dynast
