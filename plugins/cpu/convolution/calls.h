// The sizes and tensors of a convolution call, as they pass the C boundary. All float32, contiguous.
#pragma once

#include <stdint.h>

extern "C" {

// 3x3 convolution of maps [N, H, W, C]; height and width are at least 2. The border is one reflected pixel. Stride 2
// computes every second row and column of the output, starting with the first.
struct DynastConvolution {
  int32_t batch, height, width, channels_in, channels_out, stride;
};

struct DynastConvolutionForward {
  const float *input, *kernel, *bias;  // kernel [Co, Ci, 3, 3], bias [Co]
  float* output;
  float slope;  // 0 to 1: negative outputs are multiplied by it
};

// Gradients are written, not added. grad_input may be null, and so may grad_kernel together with grad_bias.
struct DynastConvolutionBackward {
  const float *input, *kernel, *grad_output;
  float *grad_input, *grad_kernel, *grad_bias;
  float slope;
  const float* output;  // read if the slope is not 1
};

}  // extern "C"
