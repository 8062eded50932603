// The gradient of a convolution's input by Winograd's algorithm: the steps of `forward.h` transposed.
#pragma once

#include "cpu/convolution/border.h"
#include "cpu/convolution/winograd/kernel.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

constexpr int kBlockLines = 4;  // lines of tiles of one task

template <bool kWhole, class Part>
inline void add_from_points(const float* from, int64_t distance, float* const* rows, const int64_t* columns, int height,
                            int width, int c, Part part) {
  transform<InputFromPoints>([&](int i, int j) { return load(from + (i * kSide + j) * distance); },
                             [&](int i, int j, Lanes value) {
                               if (!kWhole && (i >= height || j >= width)) return;
                               float* to = rows[i] + columns[j] + c;
                               part.store_to(to, part.load_from(to) + value);
                             });
}

// Adds the 6x6 gradients of a tile's inputs to the pixels that these were read from: `channels` of the `stride`
// channels of each pixel, where row y of the map begins at `row(y)`. Beyond the border they are 0 except for rounding
// errors.
template <class Row>
inline void add_input_gradient(const Tiles& tiles, const Tile& tile, const float* from, int64_t distance, int stride,
                               int channels, Row row) {
  float* rows[kSide];
  int64_t columns[kSide];
  int height = 0, width = 0;
  for (int y = tile.y - 1; height < kSide && y <= tiles.height; ++y) rows[height++] = row(reflected(y, tiles.height));
  for (int x = tile.x - 1; width < kSide && x <= tiles.width; ++x)
    columns[width++] = static_cast<int64_t>(reflected(x, tiles.width)) * stride;
  for_each_vector(channels, [&](int c, auto part) {
    if (height == kSide && width == kSide)
      add_from_points<true>(from + c, distance, rows, columns, kSide, kSide, c, part);
    else
      add_from_points<false>(from + c, distance, rows, columns, height, width, c, part);
  });
}

// The input's gradient, computed by blocks. The inputs of neighbouring tiles overlap by two pixels. So a task computes
// a block of whole lines of tiles, and stores what belongs to the rows of the blocks above and below in a buffer.
class InputGradient {
 public:
  InputGradient(const DynastConvolution& p, float* gradient)
      : tiles_(p),
        channels_(p.channels_in),
        blocks_((tiles_.down + kBlockLines - 1) / kBlockLines),
        line_(static_cast<int64_t>(p.width) * channels_),
        gradient_(gradient),
        neighbours_(p.batch * blocks_ * 2 * line_) {}

  const Tiles& tiles() const { return tiles_; }

  // Blocks of tile lines of one map.
  int64_t blocks() const { return blocks_; }

  int64_t first_tile(int64_t n, int64_t block) const {
    const int64_t line = block * kBlockLines < tiles_.down ? block * kBlockLines : tiles_.down;
    return (n * tiles_.down + line) * tiles_.across;
  }

  // The rows that a task writes: those of its own block in the map, and the neighbours' two rows in the buffer.
  struct Rows {
    float *map, *neighbours;
    int64_t line;
    int begin, end;
    float* operator()(int y) const { return y < begin ? neighbours : y >= end ? neighbours + line : map + y * line; }
  };

  // From channel `first` on.
  Rows rows(int64_t n, int64_t block, int first) const {
    const int begin = static_cast<int>(block) * kBlockLines * kTile, end = begin + kBlockLines * kTile;
    return {gradient_ + n * tiles_.height * line_ + first,
            neighbours_.get() + (n * blocks_ + block) * 2 * line_ + first, line_, begin,
            end < tiles_.height ? end : tiles_.height};
  }

  void clear(const Rows& rows, int count) const {
    for (int y = rows.begin - 1; y <= rows.end; ++y)
      for (int x = 0; x < tiles_.width; ++x)
        memset(rows(y) + static_cast<int64_t>(x) * channels_, 0, static_cast<size_t>(count) * sizeof(float));
  }

  // Adds to a block's rows what its neighbours computed for them, first the block above, then the one below.
  void add_neighbours(int64_t n, int64_t block) const {
    const Rows own = rows(n, block, 0);
    const auto add = [&](const float* from, float* to) {
      for (int64_t i = 0; i < line_; ++i) to[i] += from[i];
    };
    if (block > 0) add(own.neighbours - line_, own(own.begin));
    if (block + 1 < blocks_) add(own.neighbours + 2 * line_, own(own.end - 1));
  }

 private:
  Tiles tiles_;
  int channels_;
  int64_t blocks_, line_;
  float* gradient_;
  Floats neighbours_;
};

template <int kStride>
inline void winograd_input_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call,
                                    const Parallel& parallel) {
  const KernelPanels layout(p.channels_in, p.channels_out);
  Floats kernel(layout.size());
  transform_kernel(layout, call.kernel, true, kernel.get(), parallel);
  const InputGradient gradient(p, call.grad_input);
  const Tiles& tiles = gradient.tiles();
  const SumGradients incoming(p, call);
  const int64_t blocks = gradient.blocks(), all = p.batch * blocks, splits = panel_splits(all, layout.panels);
  parallel(all * splits, [&](int64_t task) {
    const PanelRange range(layout, task % splits, splits);
    const int64_t n = task / splits / blocks, block = task / splits % blocks;
    const auto rows = gradient.rows(n, block, range.first);
    gradient.clear(rows, range.channels);
    const int64_t begin = gradient.first_tile(n, block), end = gradient.first_tile(n, block + 1);
    const int strip_size = strip_tiles(p.channels_in + p.channels_out, end - begin);
    const Strip in(strip_size, p.channels_out), out(strip_size, range.channels);
    Floats scratch(in.size() + out.size());
    float *gradients = scratch.get(), *products = gradients + in.size();
    for (int64_t at = begin; at < end; at += strip_size) {
      const int count = static_cast<int>(end - at < strip_size ? end - at : strip_size);
      for_each_tile(tiles, at, count, [&](int t, const Tile& tile) {
        transform_gradient<kStride>(tiles, tile, incoming, p.channels_out, gradients + t * in.row, in.distance);
      });
      multiply_kernel(layout, kernel.get(), range, count, in, gradients, out, products);
      for_each_tile(tiles, at, count, [&](int t, const Tile& tile) {
        add_input_gradient(tiles, tile, products + t * out.row, out.distance, p.channels_in, range.channels, rows);
      });
    }
  });
  parallel(all, [&](int64_t task) { gradient.add_neighbours(task / blocks, task % blocks); });
}

DYNAST_END
