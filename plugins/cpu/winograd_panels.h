// Winograd's form (`winograd.h`) for kernels that are large beside their maps, as at the coarse scales.
//
// All tiles' inputs are transformed first. Then each task transforms a few panels of the kernel, multiplies and is done
// with them, so that the transformed kernel, four times as large as the kernel, is never there as a whole.
#pragma once

#include "cpu/floats.h"
#include "cpu/winograd_forward.h"

DYNAST_BEGIN

constexpr int kGroup = 2;                         // panels of a task: one reading of the inputs serves as many
constexpr int64_t kLargeKernel = 16 * 1024 * 1024;  // bytes of a transformed kernel, which then leaves the caches

inline bool kernel_is_large(const DynastConvolution& p) {
  return int64_t{kPlaces} * p.channels_in * p.channels_out * static_cast<int64_t>(sizeof(float)) >= kLargeKernel;
}

inline void winograd_by_panels(const DynastConvolution& p, const DynastConvolutionForward& call,
                               const Parallel& parallel) {
  const Tiles tiles(p);
  const int count = static_cast<int>(tiles.count);
  const int64_t in_row = pitch(p.channels_in), in_plane = plane(count * in_row);
  Floats inputs(kPlaces * in_plane);
  parallel(count, [&](int64_t t) {
    transform_input(tiles, call.input, p.channels_in, t, inputs.get() + t * in_row, in_plane);
  });
  const int group = kGroup * kPanel;
  parallel((p.channels_out + group - 1) / group, [&](int64_t task) {
    const int first = static_cast<int>(task) * group;
    const int channels = p.channels_out - first < group ? p.channels_out - first : group;
    const KernelPanels layout(channels, p.channels_in);
    const int64_t out_row = pitch(group), out_plane = plane(count * out_row);
    Floats scratch(layout.size() + kPlaces * out_plane);
    float *kernel = scratch.get(), *outputs = kernel + layout.size();
    const auto here = [](void*, int64_t shares, void (*share)(void*, int64_t), void* context) {
      for (int64_t i = 0; i < shares; ++i) share(context, i);
    };
    transform_kernel(layout, call.kernel + int64_t{9} * first * p.channels_in, false, kernel, Parallel{here, nullptr});
    for (int place = 0; place < kPlaces; ++place)
      for (int panel = 0; panel < layout.panels; ++panel)
        multiply<false>({inputs.get() + place * in_plane, in_row, 1}, count, p.channels_in,
                        kernel + (panel * kPlaces + place) * layout.distance, kPanel,
                        outputs + place * out_plane + panel * kPanel, out_row);
    for (int t = 0; t < count; ++t) {
      const Tile tile(tiles, t);
      float* map = call.output + (tile.map + static_cast<int64_t>(tile.y) * p.width + tile.x) * p.channels_out + first;
      for (int c = 0; c < channels; c += kLanes) {
        const int left = channels - c;
        const Lanes bias = call.bias ? load_at(call.bias + first + c, left) : Lanes{};
        const float* from = outputs + t * out_row + c;
        transform<OutputFromPoints>([&](int i, int j) { return load(from + (i * kSide + j) * out_plane); },
                                    [&](int i, int j, Lanes y) {
                                      if (i >= tile.rows || j >= tile.columns) return;
                                      float* to = map + (static_cast<int64_t>(i) * p.width + j) * p.channels_out + c;
                                      left >= kLanes ? store(to, y + bias) : store_part(to, y + bias, left);
                                    });
      }
    }
  });
}

DYNAST_END
