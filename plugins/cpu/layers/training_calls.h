// The sizes and tensors of the training layers, as they pass the C boundary. All float32, contiguous.
#pragma once

#include <stdint.h>

extern "C" {

// Tokens [L, C], each normalized over its channels: u = (x - mean) / sqrt(variance + 1e-8).
//
// Modulated: z = (1 + gamma) * u + beta, where a token's row of `modulation` is gamma, then beta. Without `attended`
// the output is prelu(z). With it, the output is the normalized sum attended + (1 - confidence) * z + x.
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

// Tokens [L, K] projected by two layers, y = x W^T + b each. The second layer may have no channels.
struct DynastProjections {
  int64_t length;
  int32_t channels_in, channels_out[2];
};

struct DynastProjectionsForward {
  const float *input, *kernel[2], *bias[2];  // kernel [O, K], bias [O]
  float* output[2];                          // [L, O]
};

// Gradients are written, not added. grad_input may be null, and so may all kernels' and biases' gradients together.
struct DynastProjectionsBackward {
  const float *input, *kernel[2], *grad_output[2];
  float *grad_input, *grad_kernel[2], *grad_bias[2];
};

// Pixels [P, L, C] in P parts, each channel normalized over a part: u = (x - mean) / sqrt(variance + epsilon). A batch
// norm has one part; an instance norm has one for each map of the batch. The output is prelu(weight * u + bias +
// residual). Null stands for a residual of 0, a weight of 1 together with a bias of 0, and a slope of 1.
// `running_mean` and `running_variance`, unless they are null, move towards mean and unbiased variance by `momentum`.
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

// Gradients are written, not added, so weight and bias have gradients with one part only. Null where the input is.
struct DynastNormBackward {
  const float *input, *residual, *weight, *bias, *slope, *mean, *scale, *grad_output;
  float *grad_input, *grad_residual, *grad_weight, *grad_bias, *grad_slope;
};

// y = prelu(a + b) of `count` numbers, or prelu(a) where b is null; a and b have the same gradient.
struct DynastActivation {
  int64_t count;
  const float *a, *b, *slope, *grad_output;
  float *output, *grad_sum, *grad_slope;
};

// Bilinear upsampling of maps [N, H, W, C] to twice the height and width, with align_corners. For the gradient, `input`
// is that of the upsampled maps and `output` that of the maps of `height` and `width`; it is written, not added.
struct DynastUpsampling {
  int32_t batch, height, width, channels;
  const float* input;
  float* output;
};

// A weight [R, C] divided by its spectral norm sigma = u . W v, after one step of power iteration: v becomes W^T u and
// u becomes W v, each divided by its Euclidean norm, or by epsilon if that is larger.
struct DynastSpectralNorm {
  int64_t rows, columns;
  float epsilon;
};

struct DynastSpectralNormForward {
  const float* weight;
  float *u, *v;           // [R], [C], read and written
  float *output, *sigma;  // [R, C], [1]
};

// The gradient is written, not added; `output`, `u`, `v` and `sigma` are results of the forward pass.
struct DynastSpectralNormBackward {
  const float *output, *u, *v, *sigma, *grad_output;
  float* grad_weight;
};

}  // extern "C"
