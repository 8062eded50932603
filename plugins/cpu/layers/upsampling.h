// Bilinear upsampling to twice the height and width with align_corners, and its gradient.
#pragma once

#include "cpu/dispatch/parallel.h"
#include "cpu/layers/training_calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

// The two of `size` pixels between which pixel i of 2 * size lies, and its distance from the first.
struct Interpolation {
  int first, second;
  float fraction;

  Interpolation(int i, int size) {
    const float at = static_cast<float>(i) * static_cast<float>(size - 1) / static_cast<float>(2 * size - 1);
    first = static_cast<int>(at) < size - 1 ? static_cast<int>(at) : size - 1;
    second = first + 1 < size ? first + 1 : first;
    fraction = at - static_cast<float>(first);
  }
};

// to = a + fraction * (b - a)
inline void blend(const float* a, const float* b, float fraction, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Lanes x = load(a + i);
    store(to + i, x + fraction * (load(b + i) - x));
  }
  for (; i < count; ++i) to[i] = a[i] + fraction * (b[i] - a[i]);
}

inline void upsample(const DynastUpsampling& p, const Parallel& parallel) {
  const int64_t line = static_cast<int64_t>(p.width) * p.channels;
  parallel(int64_t{2} * p.batch * p.height, [&](int64_t row) {
    const Interpolation rows(static_cast<int>(row % (2 * p.height)), p.height);
    const float* map = p.input + row / (2 * p.height) * p.height * line;
    Floats row_pixels(line);
    blend(map + rows.first * line, map + rows.second * line, rows.fraction, line, row_pixels.get());
    float* to = p.output + row * 2 * line;
    for (int x = 0; x < 2 * p.width; ++x, to += p.channels) {
      const Interpolation pixels(x, p.width);
      blend(row_pixels.get() + static_cast<int64_t>(pixels.first) * p.channels,
            row_pixels.get() + static_cast<int64_t>(pixels.second) * p.channels, pixels.fraction, p.channels, to);
    }
  });
}

// The pixels of an upsampled row to which pixel i of `size` contributes, and the fraction that it contributes to each.
struct Contributions {
  static constexpr int kBefore = 2, kMax = 6;  // none lies before 2 i - 2 or beyond 2 i + 3
  int first, count = 0;
  float fractions[kMax];

  Contributions(int i, int size) {
    first = 2 * i < kBefore ? 0 : 2 * i - kBefore;
    for (int at = first; at < first + kMax && at < 2 * size; ++at) {
      const Interpolation pixels(at, size);
      fractions[count++] =
          (pixels.first == i ? 1.0f - pixels.fraction : 0.0f) + (pixels.second == i ? pixels.fraction : 0.0f);
    }
  }
};

// to = the sum of rows of `count` numbers, each times its fraction; row k starts at from + k * count.
inline void sum_contributions(const Contributions& contributions, const float* from, int64_t count, float* to) {
  for_each_vector(static_cast<int>(count), [&](int c, auto part) {
    Lanes sums = {};
    for (int k = 0; k < contributions.count; ++k)
      sums += contributions.fractions[k] * part.load_from(from + k * count + c);
    part.store_to(to + c, sums);
  });
}

inline void upsample_back(const DynastUpsampling& p, const Parallel& parallel) {
  const int64_t line = int64_t{2} * p.width * p.channels;
  parallel(static_cast<int64_t>(p.batch) * p.height, [&](int64_t row) {
    const int y = static_cast<int>(row % p.height);
    const Contributions rows(y, p.height);
    Floats sums(line);
    sum_contributions(rows, p.input + ((row - y) * 2 + rows.first) * line, line, sums.get());
    float* to = p.output + row * p.width * p.channels;
    for (int x = 0; x < p.width; ++x, to += p.channels) {
      const Contributions pixels(x, p.width);
      sum_contributions(pixels, sums.get() + static_cast<int64_t>(pixels.first) * p.channels, p.channels, to);
    }
  });
}

DYNAST_END
