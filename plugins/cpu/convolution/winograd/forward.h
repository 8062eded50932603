// A convolution's output in Winograd's form (`winograd.h`).
#pragma once

#include "cpu/convolution/winograd/kernel.h"
#include "cpu/layers/activation.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

template <class Some, class OfTile>
inline void output_from_points(OfTile outputs, const float* from, int64_t distance, Lanes bias, float slope,
                               int64_t row, Some lanes, float* maps) {
  transform<OutputFromPoints>([&](int i, int j) { return load(from + (i * kSide + j) * distance); },
                              [&](int i, int j, Lanes y) {
                                if (!outputs.has(i, j)) return;
                                lanes.store_to(maps + outputs.at(i, j) * row, rectified(y + bias, slope));
                              });
}

// A tile's outputs, from their values at the points, activated: `channels` of `row` in `maps`.
template <int kStride>
inline void store_output(const Tiles& tiles, const Tile& tile, const float* from, int64_t distance, const float* bias,
                         float slope, int row, int channels, float* maps) {
  with_outputs<kStride>(tiles, tile, [&](auto outputs) {
    each_lanes(channels, [&](int c, auto lanes) {
      const Lanes start = bias ? lanes.load_from(bias + c) : Lanes{};
      output_from_points(outputs, from + c, distance, start, slope, row, lanes, maps + c);
    });
  });
}

template <int kStride>
inline void winograd_forward(const DynastConvolution& p, const DynastConvolutionForward& call,
                             const Parallel& parallel) {
  const Tiles tiles(p);
  const KernelPanels layout(p.channels_out, p.channels_in);
  Floats kernel(layout.size());
  transform_kernel(layout, call.kernel, false, kernel.get(), parallel);
  const int most = strip_tiles(p.channels_in + p.channels_out, tiles.count);
  const int64_t strips = (tiles.count + most - 1) / most;
  const int shares = panel_shares(strips, layout.panels);
  parallel(strips * shares, [&](int64_t task) {
    const PanelShare share(layout, task % shares, shares);
    const int64_t first_tile = task / shares * most;
    const int count = static_cast<int>(tiles.count - first_tile < most ? tiles.count - first_tile : most);
    const Strip in(count, p.channels_in), out(count, share.channels);
    Floats scratch(in.size() + out.size());
    float *inputs = scratch.get(), *outputs = inputs + in.size();
    each_tile(tiles, first_tile, count, [&](int t, const Tile& tile) {
      transform_input(tiles, tile, call.input, p.channels_in, inputs + t * in.row, in.distance);
    });
    multiply_kernel(layout, kernel.get(), share, count, in, inputs, out, outputs);
    each_tile(tiles, first_tile, count, [&](int t, const Tile& tile) {
      store_output<kStride>(tiles, tile, outputs + t * out.row, out.distance,
                            call.bias ? call.bias + share.first : nullptr, call.slope, p.channels_out, share.channels,
                            call.output + share.first);
    });
  });
}

DYNAST_END
