// Small products of matrices whose sums stay in registers.
#pragma once

#include "cpu/lanes.h"

DYNAST_BEGIN

constexpr int kPixels = 6;  // rows of sums at once; with kWide: twelve registers of sums, two of kernel, one of pixels
constexpr int kWide = 2;
constexpr int kPanel = kWide * kLanes;

// How many of `channels` a panel holds that begins with channel `first`.
inline int panel_channels(int channels, int first) { return channels - first < kPanel ? channels - first : kPanel; }

// A matrix that is only read: element (i, k) lies at numbers[i * row + k * column].
struct Factor {
  const float* numbers;
  int64_t row, column;
};

// product[i] = sum over k < depth of left(i, k) * panel[k], kPanel numbers each, or that added to what is there. Rows
// of `panel` are `panel_row` apart, those of `product` `product_row`.
template <int kRows, bool kAdd>
inline void multiply_rows(Factor left, int depth, const float* panel, int64_t panel_row, float* product,
                          int64_t product_row) {
  Lanes sums[kRows][kWide] = {};
  const float* numbers = left.numbers;
  for (int k = 0; k < depth; ++k, numbers += left.column, panel += panel_row) {
    const Lanes w0 = load(panel), w1 = load(panel + kLanes);
    for (int i = 0; i < kRows; ++i) {
      const float x = numbers[i * left.row];
      sums[i][0] += x * w0;
      sums[i][1] += x * w1;
    }
  }
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kWide; ++j) {
      float* to = product + i * product_row + j * kLanes;
      store(to, kAdd ? load(to) + sums[i][j] : sums[i][j]);
    }
}

// The same for any number of rows, which are taken in shares of nearly the same size.
template <bool kAdd>
inline void multiply(Factor left, int rows, int depth, const float* panel, int64_t panel_row, float* product,
                     int64_t product_row) {
  const int parts = (rows + kPixels - 1) / kPixels;
  for (int part = 0, done = 0; part < parts; ++part) {
    const int count = (rows - done) / (parts - part);
    const Factor of_part = {left.numbers + done * left.row, left.row, left.column};
    float* to = product + done * product_row;
    const auto take = [&](auto kernel) { kernel(of_part, depth, panel, panel_row, to, product_row); };
    switch (count) {
      case 1:
        take(multiply_rows<1, kAdd>);
        break;
      case 2:
        take(multiply_rows<2, kAdd>);
        break;
      case 3:
        take(multiply_rows<3, kAdd>);
        break;
      case 4:
        take(multiply_rows<4, kAdd>);
        break;
      case 5:
        take(multiply_rows<5, kAdd>);
        break;
      default:
        take(multiply_rows<6, kAdd>);
    }
    done += count;
  }
}

DYNAST_END
