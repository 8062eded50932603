// What passes between the checked entry points of the training layers and their kernels. All float32, contiguous.
#pragma once

#include <stdint.h>

#include "dynast/calls.h"

extern "C" {

// Maps [N, H, W, C]; height and width are at least 2. With a stride of 2 every second row and column of the output
// is left out, from the second on.
struct DynastConvolution {
  int32_t batch, height, width, channels_in, channels_out, stride;
};

struct DynastConvolutionForward {
  const float *input, *kernel, *bias;  // kernel [Co, Ci, 3, 3], bias [Co]
  float* output;
  float slope;  // 0 to 1: what a negative output is multiplied by
};

// Gradients are written, not added; grad_input or grad_kernel and grad_bias may be null.
struct DynastConvolutionBackward {
  const float *input, *kernel, *grad_output;
  float *grad_input, *grad_kernel, *grad_bias;
  float slope;
  const float* output;  // read if the slope is not 1
};

// Tokens [L, C], each normalised over its channels: u = (x - mean) / sqrt(variance + 1e-8).
//
// Modulated: z = (1 + gamma) * u + beta, where a token's row of `modulation` is gamma, then beta. Without `attended`
// the output is prelu(z). With it, the output is the normalised sum attended + (1 - confidence) * z + x.
struct DynastModulation {
  int64_t length;
  int32_t channels;
};

struct DynastModulationForward {
  const float *input, *modulation;     // [L, C], [L, 2 C]
  const float* slope;                  // [1], of the PReLU
  const float *attended, *confidence;  // [L, C], [L], or both null
  float* output;                       // [L, C]
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

// Tokens [L, K] projected by two layers, y = x W^T + b each. The second may have no channels.
struct DynastProjections {
  int64_t length;
  int32_t channels_in, channels_out[2];
};

struct DynastProjectionsForward {
  const float *input, *kernel[2], *bias[2];  // kernel [O, K], bias [O]
  float* output[2];                          // [L, O]
};

// Gradients are written, not added; grad_input may be null, and all of kernels and biases.
struct DynastProjectionsBackward {
  const float *input, *kernel[2], *grad_output[2];
  float *grad_input, *grad_kernel[2], *grad_bias[2];
};

// Pixels [P, L, C] in P parts, each channel normalised over a part: u = (x - mean) / sqrt(variance + epsilon). One part
// is a batch norm, the maps of a batch as parts an instance norm. The output is prelu(weight * u + bias + residual);
// null are a residual of 0, a weight of 1 together with a bias of 0, and a slope of 1. What `running_mean` and
// `running_variance` keep, unless they are null, moves by the share `momentum` towards mean and unbiased variance.
struct DynastNorm {
  int64_t length;
  int32_t parts, channels;
  float epsilon, momentum;
};

struct DynastNormForward {
  const float *input, *residual, *weight, *bias, *slope;  // [P, L, C], [P, L, C], [C], [C], [1]
  float *running_mean, *running_variance;                 // [C]
  float *output, *mean, *scale;                           // [P, L, C]; [P, C], of the input, and 1 / sqrt(...)
};

// Gradients are written, not added, those of several parts would be several; null where the input is.
struct DynastNormBackward {
  const float *input, *residual, *weight, *bias, *slope, *mean, *scale, *grad_output;
  float *grad_input, *grad_residual, *grad_weight, *grad_bias, *grad_slope;
};

// y = prelu(a + b) of `count` numbers, or prelu(a) where b is null; the gradient of a is that of b.
struct DynastActivation {
  int64_t count;
  const float *a, *b, *slope, *grad_output;
  float *output, *grad_sum, *grad_slope;
};

// Maps [N, H, W, C] to twice the height and width, bilinear, corners on corners. Its gradient goes the other way: input
// is that of the upsampled maps, output that of the maps of `height` and `width`; it is written, not added.
struct DynastUpsampling {
  int32_t batch, height, width, channels;
  const float* input;
  float* output;
};

// A weight [R, C] divided by its spectral norm sigma = u . W v, where a step of power iteration comes first: v becomes
// W^T u and u becomes W v, each divided by its Euclidean norm or by epsilon if that is larger.
struct DynastSpectralNorm {
  int64_t rows, columns;
  float epsilon;
};

struct DynastSpectralNormForward {
  const float* weight;
  float *u, *v;           // [R], [C], both in and out
  float *output, *sigma;  // [R, C], [1]
};

// The gradient is written, not added; `output`, `u`, `v` and `sigma` are what the forward pass left.
struct DynastSpectralNormBackward {
  const float *output, *u, *v, *sigma, *grad_output;
  float* grad_weight;
};

}  // extern "C"

namespace dynast {

// The kernels of one instruction set.
struct LayerKernels {
  const char* name;
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

const LayerKernels* select_layer_kernels(const char* name);

}  // namespace dynast
