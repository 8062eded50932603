// How the maps of a convolution are taken tile by tile for Winograd's form (`winograd.h`).
#pragma once

#include "cpu/convolution/border.h"
#include "cpu/convolution/winograd/transforms.h"
#include "cpu/layers/activation.h"
#include "cpu/layers/training_calls.h"
#include "cpu/simd/products.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

constexpr int kMostTiles = 48;               // of a strip
constexpr int64_t kStripBytes = 384 * 1024;  // of transformed maps of a strip, so that they stay in the second cache

// The 4x4 tiles of all maps, counted through; those at the right and lower edge may stand over.
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

// Where a tile lies: its map and first pixel, and how many of its rows and columns are inside the map.
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

// A tile's outputs where all but every kStride-th row and column are left out: `at(i, j)` is the pixel of row i and
// column j of the tile in the smaller maps, if there is one. Whole tiles do not stand over.
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

// `body(outputs)` with those of a tile.
template <int kStride, class Body>
inline void with_outputs(const Tiles& tiles, const Tile& tile, Body body) {
  if (tile.rows == kTile && tile.columns == kTile)
    body(Outputs<kStride, true>(tiles, tile));
  else
    body(Outputs<kStride, false>(tiles, tile));
}

// `body(t, tile)` for `count` tiles from `first` on.
template <class Body>
inline void each_tile(const Tiles& tiles, int64_t first, int count, Body body) {
  Tile tile(tiles, first);
  for (int t = 0; t < count; ++t, tile.step(tiles)) body(t, tile);
}

// A table of `channels` numbers for each place of each tile of a strip. Rows that lie whole pages apart would share few
// lines of the first cache, so their distances are others.
struct Strip {
  int64_t row, distance;  // numbers from tile to tile, and from place to place

  Strip(int64_t tiles, int channels) {
    const int64_t whole = rounded_up(channels, kLanes);
    row = whole % 64 ? whole : whole + kLanes;
    distance = odd_lines(tiles * row);
  }

  int64_t size() const { return kPlaces * distance; }

  static int64_t odd_lines(int64_t numbers) { return ((numbers + 15) / 16 | 1) * 16; }
};

// Tiles of a strip that holds `channels` numbers for each place of a tile, if there are `tiles` in all.
inline int strip_tiles(int64_t channels, int64_t tiles) {
  const int64_t fitting = kStripBytes / (channels * kPlaces * static_cast<int64_t>(sizeof(float)));
  const int64_t whole = fitting / kPixels * kPixels;
  const int64_t most = whole < 2 * kPixels ? 2 * kPixels : whole < kMostTiles ? whole : kMostTiles;
  const int64_t strips = (tiles + most - 1) / most;
  return static_cast<int>((tiles + strips - 1) / strips);
}

// The transforms of a tile below are functions of their arguments, not of what they capture: a vector's store may
// change everything that lies in memory, captured addresses too, which would be read again after each.

template <class Some>
inline void input_at_points(const float* const* rows, const int64_t* columns, int c, Some lanes, float* to,
                            int64_t distance) {
  transform<InputAtPoints>([&](int i, int j) { return lanes.load_from(rows[i] + columns[j] + c); },
                           [&](int i, int j, Lanes value) { store(to + (i * kSide + j) * distance + c, value); });
}

// The inputs of a tile and the pixels around it, at the points: `to[place * distance + c]`. What lies beyond the
// reflected border enters no output that is kept, so any pixel may stand there.
inline void transform_input(const Tiles& tiles, const Tile& tile, const float* maps, int channels, float* to,
                            int64_t distance) {
  const auto inside = [](int i, int size) {
    const int place = reflected(i, size);
    return place < 0 ? 0 : place;
  };
  const float* rows[kSide];
  int64_t columns[kSide];
  for (int i = 0; i < kSide; ++i) {
    rows[i] = maps + (tile.map + static_cast<int64_t>(inside(tile.y + i - 1, tiles.height)) * tiles.width) * channels;
    columns[i] = static_cast<int64_t>(inside(tile.x + i - 1, tiles.width)) * channels;
  }
  each_lanes(channels, [&](int c, auto lanes) { input_at_points(rows, columns, c, lanes, to, distance); });
}

// Gradients of a convolution's sums, from those of its activated outputs; `row` channels a pixel.
class SumGradients {
 public:
  SumGradients(const DynastConvolution& p, const DynastConvolutionBackward& call, int first = 0)
      : row_(p.channels_out),
        slope_(call.slope),
        gradients_(call.grad_output + first),
        output_(call.slope == 1.0f ? nullptr : call.output + first) {}

  // Channels from c on of a pixel.
  template <class Some>
  Lanes at(int64_t pixel, int c, Some lanes) const {
    const int64_t place = pixel * row_ + c;
    const Lanes gradient = lanes.load_from(gradients_ + place);
    return output_ ? rectified_back(lanes.load_from(output_ + place), slope_, gradient) : gradient;
  }

 private:
  int row_;
  float slope_;
  const float *gradients_, *output_;
};

template <class Some, class OfTile>
inline void gradient_at_points(OfTile outputs, SumGradients gradients, int c, Some lanes, float* to, int64_t distance) {
  transform<OutputAtPoints>(
      [&](int i, int j) { return outputs.has(i, j) ? gradients.at(outputs.at(i, j), c, lanes) : Lanes{}; },
      [&](int i, int j, Lanes value) { store(to + (i * kSide + j) * distance + c, value); });
}

// Gradients of a tile's sums at the points, 0 where there are none.
template <int kStride>
inline void transform_gradient(const Tiles& tiles, const Tile& tile, const SumGradients& gradients, int channels,
                               float* to, int64_t distance) {
  with_outputs<kStride>(tiles, tile, [&](auto outputs) {
    each_lanes(channels, [&](int c, auto lanes) { gradient_at_points(outputs, gradients, c, lanes, to, distance); });
  });
}

DYNAST_END
