// What passes between the checked entry points of the training layers and their kernels. All float32, contiguous.
#pragma once

#include <stdint.h>

#include "cpu/calls.h"

extern "C" {

// Maps [N, H, W, C]; height and width are at least 2.
struct DynastConvolution {
  int32_t batch, height, width, channels_in, channels_out;
};

struct DynastConvolutionForward {
  const float *input, *kernel, *bias;  // kernel [Co, Ci, 3, 3], bias [Co]
  float* output;
};

// Gradients are written, not added; grad_input or grad_kernel and grad_bias may be null.
struct DynastConvolutionBackward {
  const float *input, *kernel, *grad_output;
  float *grad_input, *grad_kernel, *grad_bias;
};

// Tokens [L, C], each normalised over its channels: u = (x - mean) / sqrt(variance + 1e-8).
//
// Modulated: z = (1 + gamma) * u + beta, where a token's row of `modulation` is gamma, then beta. Without `attended` the
// output is prelu(z). With it, the output is the normalised sum attended + (1 - confidence) * z + x.
struct DynastModulation {
  int64_t length;
  int32_t channels;
};

struct DynastModulationForward {
  const float *input, *modulation;      // [L, C], [L, 2 C]
  const float* slope;                   // [1], of the PReLU
  const float *attended, *confidence;   // [L, C], [L], or both null
  float* output;                        // [L, C]
};

// Gradients are written, not added.
struct DynastModulationBackward {
  const float *input, *modulation, *slope, *attended, *confidence, *grad_output;
  float *grad_input, *grad_modulation, *grad_slope, *grad_attended, *grad_confidence;
};

// Tokens [N, L, C + P] of maps [N, L, C]: the channels divided by (their Euclidean norm + 1e-10), then the token's
// position code [L, P], which is the same for every map.
struct DynastUnitTokens {
  int64_t length;
  int32_t batch, channels, pos_channels;
};

struct DynastUnitTokensForward {
  const float *input, *pos;
  float* output;
};

// Gradients are written, not added; that of `pos` is the sum over the maps. A norm of 0 has the gradient 0.
struct DynastUnitTokensBackward {
  const float *input, *grad_output;
  float *grad_input, *grad_pos;
};

// y = prelu(a + b) of `count` numbers, or prelu(a) where b is null; the gradient of a is that of b.
struct DynastActivation {
  int64_t count;
  const float *a, *b, *slope, *grad_output;
  float *output, *grad_sum, *grad_slope;
};

}  // extern "C"

namespace dynast {

// The kernels of one instruction set.
struct LayerKernels {
  const char* name;
  void (*convolve)(const DynastConvolution&, const DynastConvolutionForward&, const Parallel&);
  void (*convolve_back)(const DynastConvolution&, const DynastConvolutionBackward&, const Parallel&);
  void (*correlate)(const DynastConvolution&, const DynastConvolutionBackward&, const Parallel&);
  void (*modulate)(const DynastModulation&, const DynastModulationForward&, const Parallel&);
  void (*modulate_back)(const DynastModulation&, const DynastModulationBackward&, const Parallel&);
  void (*unit_tokens)(const DynastUnitTokens&, const DynastUnitTokensForward&, const Parallel&);
  void (*unit_tokens_back)(const DynastUnitTokens&, const DynastUnitTokensBackward&, const Parallel&);
  void (*activate)(const DynastActivation&, const Parallel&);
  void (*activate_back)(const DynastActivation&, const Parallel&);
};

const LayerKernels* select_layer_kernels(const char* name);

}  // namespace dynast
