// The sizes and tensors of the layers that only a rendered frame has, as they pass the C boundary. Maps are
// [N, H, W, C], float32, contiguous.
#pragma once

#include <stdint.h>

extern "C" {

// Tokens [L, C], each normalized over its channels to u as in DynastModulation, and modulated: z = gamma * u + beta.
// Without `attended` the output is z, with negative numbers multiplied by `slope`. With it, the output is the
// normalized sum attended + (1 - confidence) * z + input.
struct DynastSpade {
  int64_t length;
  int32_t channels;
  float slope;
  const float *input, *gamma, *beta;   // [L, C]
  const float *attended, *confidence;  // [L, C], [L], or both null
  float* output;                       // [L, C]
};

// Each channel of each map normalized over its pixels: scale * (x - mean) / sqrt(variance + epsilon) + bias, with the
// biased variance.
struct DynastInstanceNorm {
  int32_t batch, channels;
  int64_t pixels;
  float epsilon;
  const float *input, *scale, *bias;  // [N, H, W, C], [C], [C]
  float* output;
};

}  // extern "C"
