// The gradients of a convolution's kernel and bias by Winograd's algorithm: for each position, the product of the
// transformed inputs with the transformed gradients of the output, summed over the tiles; then the transposed transform
// of the kernel.
#pragma once

#include "cpu/convolution/winograd/kernel.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

// Sums are taken over chunks of the tiles, which depend on the sizes alone, so that sums have one order.
constexpr int64_t kChunkTiles = 128, kMaxTileChunks = 8;

// Adds a tile's gradients to those of the bias.
template <int kStride>
inline void add_bias(const Tiles& tiles, const Tile& tile, const SumGradients& gradients, int channels, float* bias) {
  const Outputs<kStride, false> outputs(tiles, tile);
  for_each_vector(channels, [&](int c, auto part) {
    Lanes total = part.load_from(bias + c);
    for (int i = 0; i < tile.rows; i += kStride)
      for (int j = 0; j < tile.columns; j += kStride) total += gradients.at(outputs.at(i, j), c, part);
    part.store_to(bias + c, total);
  });
}

// The gradients of one panel of the kernel, from its sums of `chunks` chunks, which lie `size` numbers apart.
inline void store_kernel_gradient(const KernelPanels& layout, int panel, const float* sums, int64_t chunks,
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
            for (int64_t chunk = 1; chunk < chunks; ++chunk) total += load(at + chunk * size);
            return total;
          },
          [&](int y, int x, Lanes value) { store(taps[y * 3 + x] + j, value); });
    for (int o = 0; o < channels; ++o)
      for (int tap = 0; tap < 9; ++tap)
        gradient[(static_cast<int64_t>(first + o) * layout.inner + i) * 9 + tap] = taps[tap][o];
  }
}

template <int kStride>
inline void winograd_kernel_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call,
                                     const Parallel& parallel) {
  const Tiles tiles(p);
  const KernelPanels layout(p.channels_out, p.channels_in);
  const int64_t fitting = tiles.count / kChunkTiles;
  const int64_t chunks = fitting < 1 ? 1 : fitting < kMaxTileChunks ? fitting : kMaxTileChunks;
  const int splits = panel_splits(chunks, layout.panels);
  const int64_t size = layout.size() + p.channels_out;  // of kernel and bias
  Floats sums(chunks * size);
  parallel(chunks * splits, [&](int64_t task) {
    const PanelRange range(layout, task % splits, splits);
    const SumGradients incoming(p, call, range.first);
    const int64_t chunk = task / splits, begin = tiles.count * chunk / chunks, end = tiles.count * (chunk + 1) / chunks;
    float *of_kernel = sums.get() + chunk * size, *of_bias = of_kernel + layout.size() + range.first;
    memset(of_kernel + layout.at(range.begin, 0), 0,
           static_cast<size_t>(layout.at(range.end, 0) - layout.at(range.begin, 0)) * sizeof(float));
    memset(of_bias, 0, static_cast<size_t>(range.channels) * sizeof(float));
    const int strip_size = strip_tiles(p.channels_in + range.channels, end - begin);
    const Strip in(strip_size, p.channels_in), out(strip_size, range.channels);
    Floats scratch(in.size() + out.size());
    float *inputs = scratch.get(), *gradients = inputs + in.size();
    for (int64_t at = begin; at < end; at += strip_size) {
      const int count = static_cast<int>(end - at < strip_size ? end - at : strip_size);
      for_each_tile(tiles, at, count, [&](int t, const Tile& tile) {
        transform_input(tiles, tile, call.input, p.channels_in, inputs + t * in.row, in.distance);
        transform_gradient<kStride>(tiles, tile, incoming, range.channels, gradients + t * out.row, out.distance);
        add_bias<kStride>(tiles, tile, incoming, range.channels, of_bias);
      });
      for (int position = 0; position < kPositions; ++position)
        for (int panel = range.begin; panel < range.end; ++panel)
          multiply<true>({inputs + position * in.distance, 1, in.row}, p.channels_in, count,
                         gradients + position * out.distance + (panel - range.begin) * kPanel, out.row,
                         layout.channels(panel), of_kernel + layout.at(panel, position), layout.row);
    }
  });
  parallel(layout.panels, [&](int64_t panel) {
    const float* of_panel = sums.get() + layout.at(static_cast<int>(panel), 0);
    store_kernel_gradient(layout, static_cast<int>(panel), of_panel, chunks, size, call.grad_kernel);
  });
  if (!call.grad_bias) return;
  memset(call.grad_bias, 0, static_cast<size_t>(p.channels_out) * sizeof(float));
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int o = 0; o < p.channels_out; ++o) call.grad_bias[o] += sums.get()[chunk * size + layout.size() + o];
}

DYNAST_END
