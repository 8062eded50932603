// The gradients of a convolution's kernel and bias in Winograd's form: for each place, the product of transformed
// inputs with transformed gradients of the output, summed over the tiles; at the end the kernel's transform,
// transposed.
#pragma once

#include "cpu/convolution/winograd/kernel.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

constexpr int64_t kShareTiles = 128, kMostTileShares = 8;  // of sums, by the sizes alone, so that these have one order

// Adds the sums of a tile's gradients to `bias`.
template <int kStride>
inline void add_bias(const Tiles& tiles, const Tile& tile, const SumGradients& gradients, int channels, float* bias) {
  const Outputs<kStride, false> outputs(tiles, tile);
  each_lanes(channels, [&](int c, auto lanes) {
    Lanes total = lanes.load_from(bias + c);
    for (int i = 0; i < tile.rows; i += kStride)
      for (int j = 0; j < tile.columns; j += kStride) total += gradients.at(outputs.at(i, j), c, lanes);
    lanes.store_to(bias + c, total);
  });
}

// The kernel's gradients of one panel, from its sums at the points, of which there are `shares`, `size` numbers apart.
inline void store_kernel_gradient(const KernelPanels& layout, int panel, const float* sums, int64_t shares,
                                  int64_t size, float* gradient) {
  const int first = panel * kPanel, channels = layout.channels(panel);
  float taps[9][kPanel];
  for (int i = 0; i < layout.inner; ++i) {
    const float* from = sums + static_cast<int64_t>(i) * layout.row;
    for (int j = 0; j < channels; j += kLanes)
      transform<KernelFromPoints>(
          [&](int y, int x) {
            const float* at = from + (y * kSide + x) * layout.distance + j;
            Lanes total = load(at);
            for (int64_t share = 1; share < shares; ++share) total += load(at + share * size);
            return total;
          },
          [&](int y, int x, Lanes value) { store(taps[y * 3 + x] + j, value); });
    for (int o = 0; o < channels; ++o)
      for (int tap = 0; tap < 9; ++tap)
        gradient[(static_cast<int64_t>(first + o) * layout.inner + i) * 9 + tap] = taps[tap][o];
  }
}

template <int kStride>
inline void winograd_correlate(const DynastConvolution& p, const DynastConvolutionBackward& call,
                               const Parallel& parallel) {
  const Tiles tiles(p);
  const KernelPanels layout(p.channels_out, p.channels_in);
  const int64_t fitting = tiles.count / kShareTiles;
  const int64_t parts = fitting < 1 ? 1 : fitting < kMostTileShares ? fitting : kMostTileShares;
  const int shares = panel_shares(parts, layout.panels);
  const int64_t size = layout.size() + p.channels_out;  // of kernel and bias
  Floats sums(parts * size);
  parallel(parts * shares, [&](int64_t task) {
    const PanelShare share(layout, task % shares, shares);
    const SumGradients incoming(p, call, share.first);
    const int64_t part = task / shares, begin = tiles.count * part / parts, end = tiles.count * (part + 1) / parts;
    float *of_kernel = sums.get() + part * size, *of_bias = of_kernel + layout.size() + share.first;
    memset(of_kernel + layout.at(share.begin, 0), 0,
           static_cast<size_t>(layout.at(share.end, 0) - layout.at(share.begin, 0)) * sizeof(float));
    memset(of_bias, 0, static_cast<size_t>(share.channels) * sizeof(float));
    const int most = strip_tiles(p.channels_in + share.channels, end - begin);
    const Strip in(most, p.channels_in), out(most, share.channels);
    Floats scratch(in.size() + out.size());
    float *inputs = scratch.get(), *gradients = inputs + in.size();
    for (int64_t at = begin; at < end; at += most) {
      const int count = static_cast<int>(end - at < most ? end - at : most);
      each_tile(tiles, at, count, [&](int t, const Tile& tile) {
        transform_input(tiles, tile, call.input, p.channels_in, inputs + t * in.row, in.distance);
        transform_gradient<kStride>(tiles, tile, incoming, share.channels, gradients + t * out.row, out.distance);
        add_bias<kStride>(tiles, tile, incoming, share.channels, of_bias);
      });
      for (int place = 0; place < kPlaces; ++place)
        for (int panel = share.begin; panel < share.end; ++panel)
          multiply<true>({inputs + place * in.distance, 1, in.row}, p.channels_in, count,
                         gradients + place * out.distance + (panel - share.begin) * kPanel, out.row,
                         layout.channels(panel), of_kernel + layout.at(panel, place), layout.row);
    }
  });
  parallel(layout.panels, [&](int64_t panel) {
    const float* of_panel = sums.get() + layout.at(static_cast<int>(panel), 0);
    store_kernel_gradient(layout, static_cast<int>(panel), of_panel, parts, size, call.grad_kernel);
  });
  if (!call.grad_bias) return;
  memset(call.grad_bias, 0, static_cast<size_t>(p.channels_out) * sizeof(float));
  for (int64_t part = 0; part < parts; ++part)
    for (int o = 0; o < p.channels_out; ++o) call.grad_bias[o] += sums.get()[part * size + layout.size() + o];
}

DYNAST_END
