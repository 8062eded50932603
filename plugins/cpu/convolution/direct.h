// The 3x3 convolution of `convolution.h` computed directly, and its gradients.
//
// The three pixels of a row under the kernel are 3 C contiguous numbers, so a convolution is three products of
// overlapping rows with a packed kernel. `kPixels` by `kWide` vectors of sums stay in registers.
#pragma once

#include "cpu/convolution/border.h"
#include "cpu/convolution/calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/prelu.h"
#include "cpu/simd/products.h"

DYNAST_BEGIN

constexpr int kRowsPerTask = 8;
constexpr int kBandPixels = 128, kMaxBand = 16;
constexpr int kChunkPixels = 2048, kMaxChunks = 8;  // of the pixels that the kernel's gradient sums over

// Numbers of one panel of output channels in the packed kernel: [3 rows, 3 * inner channels, kPanel].
inline int64_t panel_size(int inner) { return static_cast<int64_t>(9) * inner * kPanel; }

// Packs kernel [Co, Ci, 3, 3] into panels of output channels; `transposed`, for the gradient of the input, into panels
// of input channels with the taps in reverse order.
inline void pack_kernel(const DynastConvolution& p, const float* kernel, bool transposed, float* packed) {
  const int outer = transposed ? p.channels_in : p.channels_out, inner = transposed ? p.channels_out : p.channels_in;
  for (int first = 0; first < outer; first += kPanel)
    for (int tap = 0; tap < 9; ++tap)
      for (int i = 0; i < inner; ++i, packed += kPanel)
        for (int o = 0; o < kPanel; ++o) {
          const int of = first + o;
          if (of >= outer)
            packed[o] = 0.0f;
          else
            packed[o] = transposed ? kernel[(static_cast<int64_t>(i) * outer + of) * 9 + 8 - tap]
                                   : kernel[(static_cast<int64_t>(of) * inner + i) * 9 + tap];
        }
}

// Stores `count` (1 .. kPanel) channels of sums to one pixel, after the PReLU.
inline void store_panel(float* to, const Lanes* sums, int count, float slope) {
  for (int j = 0; j < kWide; ++j, count -= kLanes) {
    if (count >= kLanes)
      store(to + j * kLanes, prelu(sums[j], slope));
    else if (count > 0)
      store_part(to + j * kLanes, prelu(sums[j], slope), count);
  }
}

// One line of output, `width` pixels of `outer` channels. Each of the three `rows` has `width + 2` pixels of `inner`
// channels, and kPixels readable pixels beyond them. A null row stands for zeros.
inline void convolve_line(const float* const rows[3], int width, int inner, int outer, const float* packed,
                          const float* bias, float slope, float* line) {
  const int taps = 3 * inner;
  for (int first = 0; first < outer; first += kPanel, packed += panel_size(inner)) {
    const int channels = outer - first < kPanel ? outer - first : kPanel;
    float start[kPanel] = {};
    if (bias) memcpy(start, bias + first, static_cast<size_t>(channels) * sizeof(float));
    for (int x = 0; x < width; x += kPixels) {
      Lanes sums[kPixels][kWide];
      for (int i = 0; i < kPixels; ++i)
        for (int j = 0; j < kWide; ++j) sums[i][j] = load(start + j * kLanes);
      for (int row = 0; row < 3; ++row) {
        if (!rows[row]) continue;
        const float* pixels = rows[row] + static_cast<int64_t>(x) * inner;
        const float* weights = packed + static_cast<int64_t>(row) * taps * kPanel;
        for (int tap = 0; tap < taps; ++tap, ++pixels, weights += kPanel) {
          const Lanes w0 = load(weights), w1 = load(weights + kLanes);
          for (int i = 0; i < kPixels; ++i) {
            const float pixel = pixels[static_cast<int64_t>(i) * inner];
            sums[i][0] += pixel * w0;
            sums[i][1] += pixel * w1;
          }
        }
      }
      const int valid = width - x < kPixels ? width - x : kPixels;
      for (int i = 0; i < valid; ++i)
        store_panel(line + static_cast<int64_t>(x + i) * outer + first, sums[i], channels, slope);
    }
  }
}

// Copies row y of a map with one reflected pixel at both ends.
inline void reflect_row(const float* map, int y, int height, int width, int channels, float* row) {
  const float* from = map + static_cast<int64_t>(reflected(y, height)) * width * channels;
  const size_t pixel = static_cast<size_t>(channels) * sizeof(float);
  memcpy(row, from + channels, pixel);
  memcpy(row + channels, from, pixel * width);
  memcpy(row + static_cast<int64_t>(width + 1) * channels, from + static_cast<int64_t>(width - 2) * channels, pixel);
}

// Floats of one padded row: with `border` pixels at either end, and the pixels that convolve_line reads beyond it.
inline int64_t padded_row(int width, int border, int channels) {
  return static_cast<int64_t>(width + 2 * border + kPixels) * channels;
}

inline void direct_forward(const DynastConvolution& p, const DynastConvolutionForward& call, const Parallel& parallel) {
  const int64_t size = (p.channels_out + kPanel - 1) / kPanel * panel_size(p.channels_in);
  Floats packed(size);
  pack_kernel(p, call.kernel, false, packed.get());
  const int blocks = (p.height + kRowsPerTask - 1) / kRowsPerTask;
  parallel(static_cast<int64_t>(p.batch) * blocks, [&](int64_t task) {
    const int n = static_cast<int>(task / blocks), begin = static_cast<int>(task % blocks) * kRowsPerTask;
    const int end = begin + kRowsPerTask < p.height ? begin + kRowsPerTask : p.height;
    const float* map = call.input + static_cast<int64_t>(n) * p.height * p.width * p.channels_in;
    const int64_t length = padded_row(p.width, 1, p.channels_in);
    Floats scratch(3 * length);
    memset(scratch.get(), 0, static_cast<size_t>(3 * length) * sizeof(float));
    const auto row = [&](int y) { return scratch.get() + (y + 3) % 3 * length; };
    for (int y = begin - 1; y <= begin; ++y) reflect_row(map, y, p.height, p.width, p.channels_in, row(y));
    for (int y = begin; y < end; ++y) {
      reflect_row(map, y + 1, p.height, p.width, p.channels_in, row(y + 1));
      const float* const rows[3] = {row(y - 1), row(y), row(y + 1)};
      convolve_line(rows, p.width, p.channels_in, p.channels_out, packed.get(), call.bias, call.slope,
                    call.output + (static_cast<int64_t>(n) * p.height + y) * p.width * p.channels_out);
    }
  });
}

// The gradient of the input. Each padded row of it, -1 .. height, is a convolution of the output's gradient with the
// reversed kernel. The border's rows and columns are added to the pixels that they reflect.
inline void direct_input_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call,
                                  const Parallel& parallel) {
  const int64_t size = (p.channels_in + kPanel - 1) / kPanel * panel_size(p.channels_out);
  Floats packed(size);
  pack_kernel(p, call.kernel, true, packed.get());
  const int blocks = (p.height + kRowsPerTask - 1) / kRowsPerTask;
  parallel(static_cast<int64_t>(p.batch) * blocks, [&](int64_t task) {
    const int n = static_cast<int>(task / blocks), begin = static_cast<int>(task % blocks) * kRowsPerTask;
    const int end = begin + kRowsPerTask < p.height ? begin + kRowsPerTask : p.height;
    const int64_t image = static_cast<int64_t>(n) * p.height * p.width;
    const float* incoming = call.grad_output + image * p.channels_out;
    const int64_t length = padded_row(p.width, 2, p.channels_out);
    const int64_t line_length = static_cast<int64_t>(p.width + 2) * p.channels_in;
    Floats scratch(3 * length + line_length);
    memset(scratch.get(), 0, static_cast<size_t>(3 * length) * sizeof(float));
    float* line = scratch.get() + 3 * length;
    int held[3] = {-9, -9, -9};
    const auto row = [&](int y) -> const float* {
      if (y < 0 || y >= p.height) return nullptr;
      float* at = scratch.get() + y % 3 * length;
      if (held[y % 3] != y)
        memcpy(at + 2 * p.channels_out, incoming + static_cast<int64_t>(y) * p.width * p.channels_out,
               static_cast<size_t>(p.width) * p.channels_out * sizeof(float));
      held[y % 3] = y;
      return at;
    };
    const auto add_row = [&](int y, bool first) {
      const float* const rows[3] = {row(y - 1), row(y), row(y + 1)};
      convolve_line(rows, p.width + 2, p.channels_out, p.channels_in, packed.get(), nullptr, 1.0f, line);
      const int c = p.channels_in;
      for (int i = 0; i < c; ++i) {
        line[2 * c + i] += line[i];
        line[static_cast<int64_t>(p.width - 1) * c + i] += line[static_cast<int64_t>(p.width + 1) * c + i];
      }
      float* to = call.grad_input + (image + static_cast<int64_t>(reflected(y, p.height)) * p.width) * c;
      const int64_t count = static_cast<int64_t>(p.width) * c;
      if (first)
        memcpy(to, line + c, static_cast<size_t>(count) * sizeof(float));
      else
        for (int64_t i = 0; i < count; ++i) to[i] += line[c + i];
    };
    for (int y = begin; y < end; ++y) add_row(y, true);
    if (begin <= 1 && 1 < end) add_row(-1, false);
    if (begin <= p.height - 2 && p.height - 2 < end) add_row(p.height, false);
  });
}

// gradient[tap][o] += products of kPixels taps with the gradients of a panel's outputs, summed over `count` rows of
// `width` pixels. The panel has `channels` channels; `kFull`: all kPanel.
template <bool kFull>
inline void tile_gradient(const float* const* rows, int tap, int channels_in, const float* incoming, int channels_out,
                          int count, int width, int taps, int channels, float* gradient) {
  Lanes sums[kPixels][kWide] = {};
  for (int row = 0; row < count; ++row) {
    const float* pixels = rows[row] + tap;
    for (int x = 0; x < width; ++x, pixels += channels_in, incoming += channels_out) {
      float part[kPanel] = {};
      if (!kFull) memcpy(part, incoming, static_cast<size_t>(channels) * sizeof(float));
      const float* of_panel = kFull ? incoming : part;
      const Lanes g0 = load(of_panel), g1 = load(of_panel + kLanes);
      for (int i = 0; i < kPixels; ++i) {
        sums[i][0] += pixels[i] * g0;
        sums[i][1] += pixels[i] * g1;
      }
    }
  }
  for (int i = 0; i < taps; ++i)
    for (int j = 0; j < kWide; ++j)
      store(gradient + i * kPanel + j * kLanes, load(gradient + i * kPanel + j * kLanes) + sums[i][j]);
}

// Gradients of one panel of the kernel and of its bias, [9 * Ci + 1, kPanel], summed over lines begin .. end - 1 of all
// maps. Narrow maps are read several rows at a time, so that sums stay in registers for about kBandPixels.
inline void panel_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call, int panel, int64_t begin,
                           int64_t end, float* gradient) {
  const int first = panel * kPanel, taps = 3 * p.channels_in;
  const int channels = p.channels_out - first < kPanel ? p.channels_out - first : kPanel;
  const int fitting = kBandPixels / p.width;
  const int band = fitting < 1 ? 1 : fitting < kMaxBand ? fitting : kMaxBand;
  float* bias = gradient + panel_size(p.channels_in);
  memset(gradient, 0, static_cast<size_t>(panel_size(p.channels_in) + kPanel) * sizeof(float));
  const int64_t length = padded_row(p.width, 1, p.channels_in);
  Floats scratch((band + 2) * length);
  memset(scratch.get(), 0, static_cast<size_t>((band + 2) * length) * sizeof(float));
  const auto tile = channels == kPanel ? tile_gradient<true> : tile_gradient<false>;
  int64_t held[kMaxBand + 2];
  for (int64_t& line : held) line = -1;
  for (int64_t at = begin; at < end;) {
    const int n = static_cast<int>(at / p.height), y = static_cast<int>(at % p.height);
    const int64_t left = end - at < p.height - y ? end - at : p.height - y;
    const int count = left < band ? static_cast<int>(left) : band;
    const float* map = call.input + static_cast<int64_t>(n) * p.height * p.width * p.channels_in;
    const float* incoming = call.grad_output + at * p.width * p.channels_out + first;
    const float* rows[kMaxBand + 2];
    for (int row = 0; row < count + 2; ++row) {
      const int64_t line = static_cast<int64_t>(n) * (p.height + 2) + y + row;
      const int slot = static_cast<int>(line % (band + 2));
      float* padded = scratch.get() + slot * length;
      if (held[slot] != line) reflect_row(map, y + row - 1, p.height, p.width, p.channels_in, padded);
      held[slot] = line;
      rows[row] = padded;
    }
    for (int x = 0; x < count * p.width; ++x)
      for (int o = 0; o < channels; ++o) bias[o] += incoming[static_cast<int64_t>(x) * p.channels_out + o];
    for (int dy = 0; dy < 3; ++dy)
      for (int tap = 0; tap < taps; tap += kPixels)
        tile(rows + dy, tap, p.channels_in, incoming, p.channels_out, count, p.width,
             taps - tap < kPixels ? taps - tap : kPixels, channels,
             gradient + (static_cast<int64_t>(dy) * taps + tap) * kPanel);
    at += count;
  }
}

// Gradients of kernel and bias. The chunks of the lines depend on the sizes alone, so that sums have one order.
inline void direct_kernel_gradient(const DynastConvolution& p, const DynastConvolutionBackward& call,
                                   const Parallel& parallel) {
  const int panels = (p.channels_out + kPanel - 1) / kPanel;
  const int64_t size = panel_size(p.channels_in) + kPanel, lines = static_cast<int64_t>(p.batch) * p.height;
  const int64_t wanted = lines * p.width / kChunkPixels;
  const int64_t max_chunks = lines < kMaxChunks ? lines : kMaxChunks;
  const int64_t chunks = wanted < 1 ? 1 : wanted < max_chunks ? wanted : max_chunks;
  Floats sums(chunks * panels * size);
  parallel(chunks * panels, [&](int64_t task) {
    const int64_t chunk = task / panels;
    panel_gradient(p, call, static_cast<int>(task % panels), lines * chunk / chunks, lines * (chunk + 1) / chunks,
                   sums.get() + task * size);
  });
  for (int64_t chunk = 1; chunk < chunks; ++chunk)
    for (int64_t i = 0; i < panels * size; ++i) sums.get()[i] += sums.get()[chunk * panels * size + i];
  for (int o = 0; o < p.channels_out; ++o) {
    const float* panel = sums.get() + o / kPanel * size + o % kPanel;
    for (int i = 0; i < p.channels_in; ++i)
      for (int tap = 0; tap < 9; ++tap)
        call.grad_kernel[(static_cast<int64_t>(o) * p.channels_in + i) * 9 + tap] =
            panel[(static_cast<int64_t>(tap) * p.channels_in + i) * kPanel];
    if (call.grad_bias) call.grad_bias[o] = panel[panel_size(p.channels_in)];
  }
}

DYNAST_END
