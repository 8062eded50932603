// A convolution's output in Winograd's form (`winograd.h`).
#pragma once

#include "cpu/floats.h"
#include "cpu/tiles.h"

DYNAST_BEGIN

// Shares of the panels that strips are divided into where there are few strips, so that there is work for some threads.
// Each share transforms the strip's input for itself.
inline int panel_shares(int64_t strips, int panels) {
  const int wanted = strips >= 4 ? 1 : static_cast<int>((3 + strips) / strips);
  const int most = panels / 2 < 1 ? 1 : panels / 2;
  return wanted < most ? wanted : most;
}

inline void winograd_forward(const DynastConvolution& p, const DynastConvolutionForward& call,
                             const Parallel& parallel) {
  const Tiles tiles(p);
  const KernelPanels layout(p.channels_out, p.channels_in);
  Floats kernel(layout.size());
  transform_kernel(layout, call.kernel, false, kernel.get(), parallel);
  const int strip = strip_tiles(p.channels_in + p.channels_out, tiles.count);
  const int64_t strips = (tiles.count + strip - 1) / strip;
  const int shares = panel_shares(strips, layout.panels);
  parallel(strips * shares, [&](int64_t task) {
    const int64_t first_tile = task / shares * strip, share = task % shares;
    const int count = static_cast<int>(tiles.count - first_tile < strip ? tiles.count - first_tile : strip);
    const int begin = static_cast<int>(layout.panels * share / shares);
    const int end = static_cast<int>(layout.panels * (share + 1) / shares);
    const int first = begin * kPanel;
    const int channels = end * kPanel < p.channels_out ? (end - begin) * kPanel : p.channels_out - first;
    const int64_t in_row = pitch(p.channels_in), in_plane = plane(count * in_row);
    const int64_t out_row = pitch((end - begin) * kPanel), out_plane = plane(count * out_row);
    Floats scratch(kPlaces * (in_plane + out_plane));
    float *inputs = scratch.get(), *outputs = inputs + kPlaces * in_plane;
    for (int t = 0; t < count; ++t)
      transform_input(tiles, call.input, p.channels_in, first_tile + t, inputs + t * in_row, in_plane);
    for (int place = 0; place < kPlaces; ++place)
      for (int panel = begin; panel < end; ++panel)
        multiply<false>({inputs + place * in_plane, in_row, 1}, count, p.channels_in,
                        kernel.get() + (panel * kPlaces + place) * layout.distance, kPanel,
                        outputs + place * out_plane + (panel - begin) * kPanel, out_row);
    for (int t = 0; t < count; ++t) {
      const Tile tile(tiles, first_tile + t);
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
