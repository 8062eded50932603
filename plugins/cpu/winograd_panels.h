// Winograd's form (`winograd.h`) for kernels that are large beside their maps, as at the coarse scales.
//
// All tiles' inputs are transformed first. Then each task transforms a few panels of the kernel, multiplies and is done
// with them, so that the transformed kernel, four times as large as the kernel, is never there as a whole.
#pragma once

#include "cpu/floats.h"
#include "cpu/winograd_forward.h"

DYNAST_BEGIN

constexpr int kGroup = 2;                           // panels of a task: one reading of the inputs serves as many
constexpr int64_t kLargeKernel = 16 * 1024 * 1024;  // bytes of a transformed kernel, which then leaves the caches

inline bool kernel_is_large(const DynastConvolution& p) {
  return int64_t{kPlaces} * p.channels_in * p.channels_out * static_cast<int64_t>(sizeof(float)) >= kLargeKernel;
}

template <int kStride>
inline void winograd_by_panels(const DynastConvolution& p, const DynastConvolutionForward& call,
                               const Parallel& parallel) {
  const Tiles tiles(p);
  const int count = static_cast<int>(tiles.count);
  const Strip in(count, p.channels_in);
  Floats inputs(in.size());
  parallel(count, [&](int64_t t) {
    transform_input(tiles, Tile(tiles, t), call.input, p.channels_in, inputs.get() + t * in.row, in.distance);
  });
  const int group = kGroup * kPanel;
  parallel((p.channels_out + group - 1) / group, [&](int64_t task) {
    const int first = static_cast<int>(task) * group;
    const int channels = p.channels_out - first < group ? p.channels_out - first : group;
    const KernelPanels layout(channels, p.channels_in);
    const PanelShare all(layout, 0, 1);
    const Strip out(count, all.whole());
    Floats scratch(layout.size() + out.size());
    float *kernel = scratch.get(), *outputs = kernel + layout.size();
    const auto here = [](void*, int64_t shares, void (*share)(void*, int64_t), void* context) {
      for (int64_t i = 0; i < shares; ++i) share(context, i);
    };
    transform_kernel(layout, call.kernel + int64_t{9} * first * p.channels_in, false, kernel, Parallel{here, nullptr});
    multiply_kernel(layout, kernel, all, count, in, inputs.get(), out, outputs);
    each_tile(tiles, 0, count, [&](int t, const Tile& tile) {
      store_output<kStride>(tiles, tile, outputs + t * out.row, out.distance, call.bias ? call.bias + first : nullptr,
                            p.channels_out, channels, call.output + first);
    });
  });
}

DYNAST_END
