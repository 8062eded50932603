// 3x3 convolution of stride 1 or 2 with a border of one reflected pixel, and its gradients. Maps are [N, H, W, C].
//
// Winograd's form takes a quarter of the multiplications and transforms besides: by channel those of maps, by pair of
// channels that of the kernel. Which form is faster follows from the sizes, and nothing else decides. With a
// stride of 2 Winograd's form computes four times as much as is kept; `halving.h` has the definition's, without gradients.
#pragma once

#include "cpu/direct.h"
#include "cpu/winograd_back.h"
#include "cpu/winograd_correlate.h"
#include "cpu/winograd_forward.h"
#include "cpu/winograd_panels.h"

DYNAST_BEGIN

// Channels to sum over from which on Winograd's form pays: the fewer, the more of the time goes to transforms.
constexpr int kFewest = 8;

inline void convolve(const DynastConvolution& p, const DynastConvolutionForward& call, const Parallel& parallel) {
  const bool large = kernel_is_large(p);
  if (p.stride == 2) return (large ? winograd_by_panels<2> : winograd_forward<2>)(p, call, parallel);
  if (p.channels_in < kFewest) return direct_forward(p, call, parallel);
  (large ? winograd_by_panels<1> : winograd_forward<1>)(p, call, parallel);
}

inline void convolve_back(const DynastConvolution& p, const DynastConvolutionBackward& call, const Parallel& parallel) {
  if (p.stride == 2) return winograd_back<2>(p, call, parallel);
  (p.channels_out < kFewest ? direct_back : winograd_back<1>)(p, call, parallel);
}

inline void correlate(const DynastConvolution& p, const DynastConvolutionBackward& call, const Parallel& parallel) {
  if (p.stride == 2) return winograd_correlate<2>(p, call, parallel);
  (p.channels_in < kFewest ? direct_correlate : winograd_correlate<1>)(p, call, parallel);
}

DYNAST_END
