// 3x3 convolution of stride 1 with a border of one reflected pixel, and its gradients. Maps are [N, H, W, C].
//
// Winograd's form takes a quarter of the multiplications and transforms besides: by channel those of maps, by pair of
// channels that of the kernel. Which form is faster follows from the sizes, and nothing else decides.
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
  const auto winograd = kernel_is_large(p) ? winograd_by_panels : winograd_forward;
  (p.channels_in < kFewest ? direct_forward : winograd)(p, call, parallel);
}

inline void convolve_back(const DynastConvolution& p, const DynastConvolutionBackward& call, const Parallel& parallel) {
  (p.channels_out < kFewest ? direct_back : winograd_back)(p, call, parallel);
}

inline void correlate(const DynastConvolution& p, const DynastConvolutionBackward& call, const Parallel& parallel) {
  (p.channels_in < kFewest ? direct_correlate : winograd_correlate)(p, call, parallel);
}

DYNAST_END
