// Small matrix products whose sums stay in registers.
#pragma once

#include "cpu/simd/lanes.h"

DYNAST_BEGIN

constexpr int kPixels = 6;  // rows of sums: with kWide, 12 registers of sums, 2 of kernel, 1 of pixels
constexpr int kWide = 2;
constexpr int kPanel = kWide * kLanes;

// Rows of sums of a product: AVX-512 has 32 registers, the others 16.
constexpr int kMaxRows = kLanes == 16 ? 2 * kPixels : kPixels;

// How many of `channels` the panel has that begins with channel `first`.
inline int panel_channels(int channels, int first) { return channels - first < kPanel ? channels - first : kPanel; }

// A matrix that is only read: element (i, k) is numbers[i * row + k * column].
struct Factor {
  const float* numbers;
  int64_t row, column;
};

// product[i] = sum over k < depth of left(i, k) * panel[k], kVectors vectors each; with kAdd, plus what is there. Rows
// of `panel` are `panel_row` numbers apart, those of `product` `product_row`. Depths are small, so the code around the
// loop matters: if the compiler does not unroll early, the sums end up in memory, and a call costs as much as some
// rows.
template <int kRows, int kVectors, bool kAdd>
__attribute__((always_inline)) inline void multiply_rows(Factor left, int depth, const float* panel, int64_t panel_row,
                                                         float* product, int64_t product_row) {
  Lanes sums[kRows][kVectors] = {};
  const float* numbers = left.numbers;
  for (int k = 0; k < depth; ++k, numbers += left.column, panel += panel_row) {
    Lanes w[kVectors];
#pragma GCC unroll 12
    for (int j = 0; j < kVectors; ++j) w[j] = load(panel + j * kLanes);
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      const float x = numbers[i * left.row];
#pragma GCC unroll 12
      for (int j = 0; j < kVectors; ++j) sums[i][j] += x * w[j];
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 12
    for (int j = 0; j < kVectors; ++j) {
      float* to = product + i * product_row + j * kLanes;
      store(to, kAdd ? load(to) + sums[i][j] : sums[i][j]);
    }
}

// The same for `count` rows, 1 to kMax. The compiler has to know the number, so each has code of its own.
template <int kMax, int kVectors, bool kAdd>
__attribute__((always_inline)) inline void multiply_count(int count, Factor left, int depth, const float* panel,
                                                          int64_t panel_row, float* product, int64_t product_row) {
  if constexpr (kMax > 1)
    if (count < kMax)
      return multiply_count<kMax - 1, kVectors, kAdd>(count, left, depth, panel, panel_row, product, product_row);
  multiply_rows<kMax, kVectors, kAdd>(left, depth, panel, panel_row, product, product_row);
}

// The same for any number of rows, in chunks of nearly the same size, kMax at most.
template <int kMax, int kVectors, bool kAdd>
inline void multiply_chunks(Factor left, int rows, int depth, const float* panel, int64_t panel_row, float* product,
                            int64_t product_row) {
  const int parts = (rows + kMax - 1) / kMax;
  for (int part = 0, done = 0; part < parts; ++part) {
    const int count = (rows - done) / (parts - part);
    multiply_count<kMax, kVectors, kAdd>(count, {left.numbers + done * left.row, left.row, left.column}, depth, panel,
                                         panel_row, product + done * product_row, product_row);
    done += count;
  }
}

// The same for a panel of `channels`; a vector without any of them is not computed.
template <bool kAdd>
inline void multiply(Factor left, int rows, int depth, const float* panel, int64_t panel_row, int channels,
                     float* product, int64_t product_row) {
  if (channels > kLanes)
    multiply_chunks<kMaxRows, kWide, kAdd>(left, rows, depth, panel, panel_row, product, product_row);
  else
    multiply_chunks<kPixels * kWide, 1, kAdd>(left, rows, depth, panel, panel_row, product, product_row);
}

DYNAST_END
