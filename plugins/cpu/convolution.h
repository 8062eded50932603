// 3x3 convolution of stride 1 with a border of one reflected pixel, and its gradients. Maps are [N, H, W, C].
//
// Winograd's form takes a quarter of the multiplications and transforms besides: by channel those of maps, by pair of
// channels that of the kernel. Which form is faster follows from the sizes, and nothing else decides.
#pragma once

#include "cpu/direct.h"
#include "cpu/winograd_forward.h"

DYNAST_BEGIN

// With few channels the transforms cost more than they save.
inline bool winograd_pays(const DynastConvolution& p) { return p.channels_in >= 8 && p.channels_out >= 8; }

inline void convolve(const DynastConvolution& p, const DynastConvolutionForward& call, const Parallel& parallel) {
  (winograd_pays(p) ? winograd_forward : direct_forward)(p, call, parallel);
}

inline void convolve_back(const DynastConvolution& p, const DynastConvolutionBackward& call, const Parallel& parallel) {
  direct_back(p, call, parallel);
}

inline void correlate(const DynastConvolution& p, const DynastConvolutionBackward& call, const Parallel& parallel) {
  direct_correlate(p, call, parallel);
}

DYNAST_END
