// 3x3 convolution of stride 1 or 2 with a border of one reflected pixel, and its gradients. Maps are [N, H, W, C].
//
// Winograd's form takes a quarter of the multiplications and transforms besides: by channel those of maps, by pair of
// channels that of the kernel. Which form is faster follows from the sizes, and nothing else decides. With a
// stride of 2 Winograd's form computes four times as much as is kept; `halving.h` has the definition's, without
// gradients.
#pragma once

#include "cpu/convolution/direct.h"
#include "cpu/convolution/winograd/forward.h"
#include "cpu/convolution/winograd/input_gradient.h"
#include "cpu/convolution/winograd/kernel_gradient.h"
#include "cpu/convolution/winograd/panels.h"

DYNAST_BEGIN

// Channels to sum over from which on Winograd's form pays: the fewer, the more of the time goes to transforms.
constexpr int kFewest = 8;

inline bool few_inputs(const DynastConvolution& p) { return p.stride == 1 && p.channels_in < kFewest; }
inline bool few_outputs(const DynastConvolution& p) { return p.stride == 1 && p.channels_out < kFewest; }

inline void convolve(const DynastConvolution& p, const DynastConvolutionForward& call, const Parallel& parallel) {
  const bool by_panels = forward_by_panels(p);
  if (p.stride == 2) return (by_panels ? winograd_by_panels<2> : winograd_forward<2>)(p, call, parallel);
  if (few_inputs(p)) return direct_forward(p, call, parallel);
  (by_panels ? winograd_by_panels<1> : winograd_forward<1>)(p, call, parallel);
}

inline void input_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call,
                           const Parallel& parallel) {
  if (p.stride == 2) return winograd_back<2>(p, call, parallel);
  (few_outputs(p) ? direct_back : winograd_back<1>)(p, call, parallel);
}

inline void kernel_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call,
                            const Parallel& parallel) {
  if (p.stride == 2) return winograd_correlate<2>(p, call, parallel);
  (few_inputs(p) ? direct_correlate : winograd_correlate<1>)(p, call, parallel);
}

inline void convolve_back(const DynastConvolution& p, const DynastConvolutionBackward& call, const Parallel& parallel) {
  const bool direct = (call.grad_input && few_outputs(p)) || (call.grad_kernel && few_inputs(p));
  if (call.slope != 1.0f && direct) {  // whose loops read gradients of the sums
    const int64_t count = static_cast<int64_t>(p.batch) * p.height * p.width * p.channels_out;
    Floats gradient(count);
    rectify_back(count, call.output, call.slope, call.grad_output, gradient.get(), parallel);
    DynastConvolutionBackward of_sums = call;
    of_sums.grad_output = gradient.get();
    of_sums.slope = 1.0f;
    return convolve_back(p, of_sums, parallel);
  }
  if (!direct && maps_are_small(p))
    return (p.stride == 2 ? winograd_back_by_panels<2> : winograd_back_by_panels<1>)(p, call, parallel);
  if (call.grad_input) input_gradient(p, call, parallel);
  if (call.grad_kernel) kernel_gradient(p, call, parallel);
}

DYNAST_END
