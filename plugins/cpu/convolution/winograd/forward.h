// The output of a convolution by Winograd's algorithm (`transforms.h`).
#pragma once

#include "cpu/convolution/winograd/kernel.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

template <class Part, class OfTile>
inline void output_from_points(OfTile outputs, const float* from, int64_t distance, Lanes bias, float slope,
                               int64_t row, Part part, float* maps) {
  transform<OutputFromPoints>([&](int i, int j) { return load(from + (i * kSide + j) * distance); },
                              [&](int i, int j, Lanes y) {
                                if (!outputs.has(i, j)) return;
                                part.store_to(maps + outputs.at(i, j) * row, prelu(y + bias, slope));
                              });
}

// Transforms a tile's sums to outputs and stores them after the PReLU: `channels` of the `row` channels of `maps`.
template <int kStride>
inline void store_output(const Tiles& tiles, const Tile& tile, const float* from, int64_t distance, const float* bias,
                         float slope, int row, int channels, float* maps) {
  with_outputs<kStride>(tiles, tile, [&](auto outputs) {
    for_each_vector(channels, [&](int c, auto part) {
      const Lanes start = bias ? part.load_from(bias + c) : Lanes{};
      output_from_points(outputs, from + c, distance, start, slope, row, part, maps + c);
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
  const int strip_size = strip_tiles(p.channels_in + p.channels_out, tiles.count);
  const int64_t strips = (tiles.count + strip_size - 1) / strip_size;
  const int splits = panel_splits(strips, layout.panels);
  parallel(strips * splits, [&](int64_t task) {
    const PanelRange range(layout, task % splits, splits);
    const int64_t first_tile = task / splits * strip_size;
    const int count = static_cast<int>(tiles.count - first_tile < strip_size ? tiles.count - first_tile : strip_size);
    const Strip in(count, p.channels_in), out(count, range.channels);
    Floats scratch(in.size() + out.size());
    float *inputs = scratch.get(), *outputs = inputs + in.size();
    for_each_tile(tiles, first_tile, count, [&](int t, const Tile& tile) {
      transform_input(tiles, tile, call.input, p.channels_in, inputs + t * in.row, in.distance);
    });
    multiply_kernel(layout, kernel.get(), range, count, in, inputs, out, outputs);
    for_each_tile(tiles, first_tile, count, [&](int t, const Tile& tile) {
      store_output<kStride>(tiles, tile, outputs + t * out.row, out.distance,
                            call.bias ? call.bias + range.first : nullptr, call.slope, p.channels_out, range.channels,
                            call.output + range.first);
    });
  });
}

DYNAST_END
