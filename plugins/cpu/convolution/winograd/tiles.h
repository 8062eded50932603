// The tiles of a convolution's maps, and the transforms of one tile (`transforms.h`).
#pragma once

#include "cpu/convolution/border.h"
#include "cpu/convolution/calls.h"
#include "cpu/convolution/winograd/transforms.h"
#include "cpu/simd/prelu.h"
#include "cpu/simd/products.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

constexpr int kMaxTiles = 48;                // of a strip, which is the tiles that a task works on together
constexpr int64_t kStripBytes = 384 * 1024;  // of a strip's transformed maps, so that they stay in the L2 cache

// The 4x4 tiles of all maps in one sequence. At the right and lower edge they may extend beyond the map.
struct Tiles {
  int height, width, down, across;
  int64_t count;

  explicit Tiles(const DynastConvolution& p)
      : height(p.height),
        width(p.width),
        down((p.height + kTile - 1) / kTile),
        across((p.width + kTile - 1) / kTile),
        count(static_cast<int64_t>(p.batch) * down * across) {}
};

// One tile: its map, its first pixel, and how many of its rows and columns are inside the map.
struct Tile {
  int64_t map;  // the map's first pixel
  int y, x, rows, columns;

  Tile(const Tiles& tiles, int64_t index) {
    const int64_t line = index / tiles.across;
    map = line / tiles.down * tiles.height * tiles.width;
    y = static_cast<int>(line % tiles.down) * kTile;
    x = static_cast<int>(index % tiles.across) * kTile;
    measure(tiles);
  }

  void step(const Tiles& tiles) {
    x += kTile;
    if (x >= tiles.width) x = 0, y += kTile;
    if (y >= tiles.height) y = 0, map += static_cast<int64_t>(tiles.height) * tiles.width;
    measure(tiles);
  }

 private:
  void measure(const Tiles& tiles) {
    rows = tiles.height - y < kTile ? tiles.height - y : kTile;
    columns = tiles.width - x < kTile ? tiles.width - x : kTile;
  }
};

// A tile's outputs with stride kStride: `at(i, j)` is the output pixel of row i and column j of the tile, if
// `has(i, j)`. kWhole: the tile lies inside the map.
template <int kStride, bool kWhole>
class Outputs {
 public:
  Outputs(const Tiles& tiles, const Tile& tile)
      : rows_(tile.rows), columns_(tile.columns), width_(reduced(tiles.width)) {
    const int64_t map = tile.map / (static_cast<int64_t>(tiles.height) * tiles.width);
    first_ = (map * reduced(tiles.height) + tile.y / kStride) * width_ + tile.x / kStride;
  }

  bool has(int i, int j) const {
    return (kWhole || (i < rows_ && j < columns_)) && i % kStride == 0 && j % kStride == 0;
  }
  int64_t at(int i, int j) const { return first_ + static_cast<int64_t>(i / kStride) * width_ + j / kStride; }

 private:
  static int reduced(int size) { return (size + kStride - 1) / kStride; }

  int rows_, columns_, width_;
  int64_t first_;
};

// Calls `body(outputs)` with the outputs of a tile.
template <int kStride, class Body>
inline void with_outputs(const Tiles& tiles, const Tile& tile, Body body) {
  if (tile.rows == kTile && tile.columns == kTile)
    body(Outputs<kStride, true>(tiles, tile));
  else
    body(Outputs<kStride, false>(tiles, tile));
}

// `body(t, tile)` for `count` tiles from tile `first` on; t counts from 0.
template <class Body>
inline void for_each_tile(const Tiles& tiles, int64_t first, int count, Body body) {
  Tile tile(tiles, first);
  for (int t = 0; t < count; ++t, tile.step(tiles)) body(t, tile);
}

// The layout of a strip: `channels` numbers for each position of each tile. Rows at distances of whole pages would
// compete for a few lines of the L1 cache, so such distances are avoided.
struct Strip {
  int64_t row, distance;  // numbers from one tile to the next, and from one position to the next

  Strip(int64_t tiles, int channels) {
    const int64_t whole = rounded_up(channels, kLanes);
    row = whole % 64 ? whole : whole + kLanes;
    distance = odd_lines(tiles * row);
  }

  int64_t size() const { return kPositions * distance; }

  static int64_t odd_lines(int64_t numbers) { return ((numbers + 15) / 16 | 1) * 16; }
};

// How many of `tiles` tiles a strip has, with `channels` numbers for each position of a tile.
inline int strip_tiles(int64_t channels, int64_t tiles) {
  const int64_t fitting = kStripBytes / (channels * kPositions * static_cast<int64_t>(sizeof(float)));
  const int64_t whole = fitting / kPixels * kPixels;
  const int64_t max_tiles = whole < 2 * kPixels ? 2 * kPixels : whole < kMaxTiles ? whole : kMaxTiles;
  const int64_t strips = (tiles + max_tiles - 1) / max_tiles;
  return static_cast<int>((tiles + strips - 1) / strips);
}

// The transforms below take their addresses as arguments and capture none. The compiler has to assume that the store of
// a vector changes anything in memory, so it would read captured addresses again after each store.

template <class Part>
inline void input_at_points(const float* const* rows, const int64_t* columns, int c, Part part, float* to,
                            int64_t distance) {
  transform<InputAtPoints>([&](int i, int j) { return part.load_from(rows[i] + columns[j] + c); },
                           [&](int i, int j, Lanes value) { store(to + (i * kSide + j) * distance + c, value); });
}

// Transforms the inputs of a tile, 6x6 pixels, to `to[position * distance + c]`. Pixels beyond the reflected border
// affect no output that is kept, so any pixel may be read there.
inline void transform_input(const Tiles& tiles, const Tile& tile, const float* maps, int channels, float* to,
                            int64_t distance) {
  const auto inside = [](int i, int size) {
    const int position = reflected(i, size);
    return position < 0 ? 0 : position;
  };
  const float* rows[kSide];
  int64_t columns[kSide];
  for (int i = 0; i < kSide; ++i) {
    rows[i] = maps + (tile.map + static_cast<int64_t>(inside(tile.y + i - 1, tiles.height)) * tiles.width) * channels;
    columns[i] = static_cast<int64_t>(inside(tile.x + i - 1, tiles.width)) * channels;
  }
  for_each_vector(channels, [&](int c, auto part) { input_at_points(rows, columns, c, part, to, distance); });
}

// The gradients of a convolution's sums before the PReLU, from those of its outputs.
class SumGradients {
 public:
  SumGradients(const DynastConvolution& p, const DynastConvolutionBackward& call, int first = 0)
      : row_(p.channels_out),
        slope_(call.slope),
        gradients_(call.grad_output + first),
        output_(call.slope == 1.0f ? nullptr : call.output + first) {}

  // A vector of the pixel's channels, from channel c on.
  template <class Part>
  Lanes at(int64_t pixel, int c, Part part) const {
    const int64_t position = pixel * row_ + c;
    const Lanes gradient = part.load_from(gradients_ + position);
    return output_ ? prelu_gradient(part.load_from(output_ + position), slope_, gradient) : gradient;
  }

 private:
  int row_;
  float slope_;
  const float *gradients_, *output_;
};

template <class Part, class OfTile>
inline void gradient_at_points(OfTile outputs, SumGradients gradients, int c, Part part, float* to, int64_t distance) {
  transform<OutputAtPoints>(
      [&](int i, int j) { return outputs.has(i, j) ? gradients.at(outputs.at(i, j), c, part) : Lanes{}; },
      [&](int i, int j, Lanes value) { store(to + (i * kSide + j) * distance + c, value); });
}

// Transforms the gradients of a tile's sums, which are 0 where there is no output.
template <int kStride>
inline void transform_gradient(const Tiles& tiles, const Tile& tile, const SumGradients& gradients, int channels,
                               float* to, int64_t distance) {
  with_outputs<kStride>(tiles, tile, [&](auto outputs) {
    for_each_vector(channels, [&](int c, auto part) { gradient_at_points(outputs, gradients, c, part, to, distance); });
  });
}

DYNAST_END
