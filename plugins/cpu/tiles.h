// How the maps of a convolution are taken tile by tile for Winograd's form (`winograd.h`).
#pragma once

#include "cpu/border.h"
#include "cpu/layer_calls.h"
#include "cpu/products.h"
#include "cpu/rows.h"
#include "cpu/winograd.h"

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
    rows = tiles.height - y < kTile ? tiles.height - y : kTile;
    columns = tiles.width - x < kTile ? tiles.width - x : kTile;
  }
};

// Numbers from one row of a table of channels to the next. Distances of whole pages would share few places in the
// cache.
inline int64_t pitch(int channels) {
  const int64_t whole = rounded_up(channels, kLanes);
  return whole % 64 ? whole : whole + kLanes;
}

// Numbers from one place's table to the next, likewise: an odd number of cache lines.
inline int64_t plane(int64_t numbers) { return ((numbers + 15) / 16 | 1) * 16; }

// Tiles of a strip, given how many channels are held for each place of each tile.
inline int strip_tiles(int64_t channels, int64_t tiles) {
  const int64_t fitting = kStripBytes / (channels * kPlaces * static_cast<int64_t>(sizeof(float)));
  const int64_t whole = fitting / kPixels * kPixels;
  const int64_t most = whole < 2 * kPixels ? 2 * kPixels : whole < kMostTiles ? whole : kMostTiles;
  const int64_t strips = (tiles + most - 1) / most;
  return static_cast<int>((tiles + strips - 1) / strips);
}

inline Lanes load_at(const float* from, int left) { return left >= kLanes ? load(from) : load_part(from, left); }

// The inputs of a tile and the pixel around them, at the points: `to[place * distance + c]`. What lies beyond the
// reflected border enters no output that is kept, so any pixel may stand there.
inline void transform_input(const Tiles& tiles, const float* maps, int channels, int64_t index, float* to,
                            int64_t distance) {
  const Tile tile(tiles, index);
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
  for (int c = 0; c < channels; c += kLanes)
    transform<InputAtPoints>([&](int i, int j) { return load_at(rows[i] + columns[j] + c, channels - c); },
                             [&](int i, int j, Lanes value) { store(to + (i * kSide + j) * distance + c, value); });
}

// The kernel [Co, Ci, 3, 3] at the points, in panels of `outer` channels: [panel][place][inner][kPanel]. `transposed`
// makes input channels the outer ones.
struct KernelPanels {
  int outer, inner, panels;
  int64_t distance;  // of places

  KernelPanels(int outer, int inner)
      : outer(outer), inner(inner), panels((outer + kPanel - 1) / kPanel), distance(plane(int64_t{kPanel} * inner)) {}

  int64_t size() const { return panels * kPlaces * distance; }
};

inline void transform_kernel(const KernelPanels& layout, const float* kernel, bool transposed, float* to,
                             const Parallel& parallel) {
  constexpr int kBlock = 32;
  const int blocks = (layout.inner + kBlock - 1) / kBlock;
  parallel(static_cast<int64_t>(layout.panels) * blocks, [&](int64_t task) {
    const int panel = static_cast<int>(task / blocks), first = panel * kPanel;
    const int begin = static_cast<int>(task % blocks) * kBlock;
    const int end = begin + kBlock < layout.inner ? begin + kBlock : layout.inner;
    const int channels = layout.outer - first < kPanel ? layout.outer - first : kPanel;
    float taps[9][kPanel] = {};
    for (int i = begin; i < end; ++i) {
      for (int o = 0; o < channels; ++o) {
        const float* of = kernel + 9 * (transposed ? static_cast<int64_t>(i) * layout.outer + first + o
                                                   : static_cast<int64_t>(first + o) * layout.inner + i);
        for (int tap = 0; tap < 9; ++tap) taps[tap][o] = of[tap];
      }
      float* at = to + panel * kPlaces * layout.distance + static_cast<int64_t>(i) * kPanel;
      for (int j = 0; j < kPanel; j += kLanes)
        transform<KernelAtPoints>([&](int y, int x) { return load(taps[y * 3 + x] + j); },
                                  [&](int y, int x, Lanes u) { store(at + (y * kSide + x) * layout.distance + j, u); });
    }
  });
}

DYNAST_END
