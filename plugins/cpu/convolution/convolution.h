// 3x3 convolution of stride 1 or 2 with a border of one reflected pixel, and its gradients. Maps are [N, H, W, C].
//
// Winograd's algorithm needs a quarter of the multiplications, but also transforms: of the maps for each channel, and
// of the kernel for each pair of channels. The sizes alone decide which algorithm runs. With stride 2, Winograd's
// algorithm computes four times as many outputs as are kept; `stride2.h` computes only those, without gradients.
#pragma once

#include "cpu/convolution/direct.h"
#include "cpu/convolution/winograd/forward.h"
#include "cpu/convolution/winograd/input_gradient.h"
#include "cpu/convolution/winograd/kernel_gradient.h"
#include "cpu/convolution/winograd/panels.h"

DYNAST_BEGIN

// With fewer channels to sum over, transforms take so much of the time that Winograd's algorithm is slower.
constexpr int kMinChannels = 8;

inline bool few_inputs(const DynastConvolution& p) { return p.stride == 1 && p.channels_in < kMinChannels; }
inline bool few_outputs(const DynastConvolution& p) { return p.stride == 1 && p.channels_out < kMinChannels; }

inline void convolve(const DynastConvolution& p, const DynastConvolutionForward& call, const Parallel& parallel) {
  const bool by_panels = forward_by_panels(p);
  if (p.stride == 2) return (by_panels ? winograd_forward_by_panels<2> : winograd_forward<2>)(p, call, parallel);
  if (few_inputs(p)) return direct_forward(p, call, parallel);
  (by_panels ? winograd_forward_by_panels<1> : winograd_forward<1>)(p, call, parallel);
}

inline void input_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call,
                           const Parallel& parallel) {
  if (p.stride == 2) return winograd_input_gradient<2>(p, call, parallel);
  (few_outputs(p) ? direct_input_gradient : winograd_input_gradient<1>)(p, call, parallel);
}

inline void kernel_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call,
                            const Parallel& parallel) {
  if (p.stride == 2) return winograd_kernel_gradient<2>(p, call, parallel);
  (few_inputs(p) ? direct_kernel_gradient : winograd_kernel_gradient<1>)(p, call, parallel);
}

inline void convolve_back(const DynastConvolution& p, const DynastConvolutionBackward& call, const Parallel& parallel) {
  const bool direct = (call.grad_input && few_outputs(p)) || (call.grad_kernel && few_inputs(p));
  if (call.slope != 1.0f && direct) {  // the direct loops need gradients before the PReLU
    const int64_t count = static_cast<int64_t>(p.batch) * p.height * p.width * p.channels_out;
    Floats gradient(count);
    prelu_gradients(count, call.output, call.slope, call.grad_output, gradient.get(), parallel);
    DynastConvolutionBackward linear = call;
    linear.grad_output = gradient.get();
    linear.slope = 1.0f;
    return convolve_back(p, linear, parallel);
  }
  if (!direct && maps_are_small(p))
    return (p.stride == 2 ? winograd_backward_by_panels<2> : winograd_backward_by_panels<1>)(p, call, parallel);
  if (call.grad_input) input_gradient(p, call, parallel);
  if (call.grad_kernel) kernel_gradient(p, call, parallel);
}

DYNAST_END
