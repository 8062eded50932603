// 3x3 convolution of stride 2 with a border of one reflected pixel, computed directly.
#pragma once

#include "cpu/convolution/direct.h"

DYNAST_BEGIN

// As convolve_line, but at every second pixel of the rows.
inline void convolve_line_stride2(const float* const rows[3], int width, int inner, int outer, const float* packed,
                                  const float* bias, float slope, float* line) {
  const int taps = 3 * inner;
  for (int first = 0; first < outer; first += kPanel, packed += panel_size(inner)) {
    const int channels = outer - first < kPanel ? outer - first : kPanel;
    float start[kPanel] = {};
    memcpy(start, bias + first, static_cast<size_t>(channels) * sizeof(float));
    for (int x = 0; x < width; x += kPixels) {
      const int valid = width - x < kPixels ? width - x : kPixels;
      int64_t at[kPixels];  // positions beyond the line repeat its last pixel
      for (int i = 0; i < kPixels; ++i) at[i] = int64_t{2} * inner * (x + (i < valid ? i : valid - 1));
      Lanes sums[kPixels][kWide];
      for (int i = 0; i < kPixels; ++i)
        for (int j = 0; j < kWide; ++j) sums[i][j] = load(start + j * kLanes);
      const float* weights = packed;
      for (int row = 0; row < 3; ++row)
        for (int tap = 0; tap < taps; ++tap, weights += kPanel) {
          const Lanes w0 = load(weights), w1 = load(weights + kLanes);
          for (int i = 0; i < kPixels; ++i) {
            const float pixel = rows[row][at[i] + tap];
            sums[i][0] += pixel * w0;
            sums[i][1] += pixel * w1;
          }
        }
      for (int i = 0; i < valid; ++i)
        store_panel(line + static_cast<int64_t>(x + i) * outer + first, sums[i], channels, slope);
    }
  }
}

inline void convolve_stride2(const DynastConvolution& p, const DynastConvolutionForward& call,
                             const Parallel& parallel) {
  const int64_t size = (p.channels_out + kPanel - 1) / kPanel * panel_size(p.channels_in);
  Floats packed(size);
  pack_kernel(p, call.kernel, false, packed.get());
  const int height = (p.height + 1) / 2, width = (p.width + 1) / 2;
  parallel(static_cast<int64_t>(p.batch) * height, [&](int64_t line) {
    const int y = static_cast<int>(line % height);
    const float* map = call.input + line / height * p.height * p.width * p.channels_in;
    const int64_t length = static_cast<int64_t>(p.width + 2) * p.channels_in;
    Floats scratch(3 * length);
    const float* rows[3];
    for (int row = 0; row < 3; ++row) {
      float* padded = scratch.get() + row * length;
      reflect_row(map, 2 * y + row - 1, p.height, p.width, p.channels_in, padded);
      rows[row] = padded;
    }
    convolve_line_stride2(rows, width, p.channels_in, p.channels_out, packed.get(), call.bias, call.slope,
                          call.output + line * width * p.channels_out);
  });
}

DYNAST_END
