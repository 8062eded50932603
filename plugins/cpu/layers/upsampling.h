// Bilinear upsampling to twice the height and width, corners on corners, and its gradient.
#pragma once

#include "cpu/layers/training_calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

// Between which two of `size` pixels the i-th of 2 * size lies, and how far it is from the first.
struct Between {
  int first, second;
  float share;

  Between(int i, int size) {
    const float at = static_cast<float>(i) * static_cast<float>(size - 1) / static_cast<float>(2 * size - 1);
    first = static_cast<int>(at) < size - 1 ? static_cast<int>(at) : size - 1;
    second = first + 1 < size ? first + 1 : first;
    share = at - static_cast<float>(first);
  }
};

// to = a + share * (b - a)
inline void blend(const float* a, const float* b, float share, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Lanes x = load(a + i);
    store(to + i, x + share * (load(b + i) - x));
  }
  for (; i < count; ++i) to[i] = a[i] + share * (b[i] - a[i]);
}

inline void upsample(const DynastUpsampling& p, const Parallel& parallel) {
  const int64_t line = static_cast<int64_t>(p.width) * p.channels;
  parallel(int64_t{2} * p.batch * p.height, [&](int64_t row) {
    const Between rows(static_cast<int>(row % (2 * p.height)), p.height);
    const float* map = p.input + row / (2 * p.height) * p.height * line;
    Floats between(line);
    blend(map + rows.first * line, map + rows.second * line, rows.share, line, between.get());
    float* to = p.output + row * 2 * line;
    for (int x = 0; x < 2 * p.width; ++x, to += p.channels) {
      const Between pixels(x, p.width);
      blend(between.get() + static_cast<int64_t>(pixels.first) * p.channels,
            between.get() + static_cast<int64_t>(pixels.second) * p.channels, pixels.share, p.channels, to);
    }
  });
}

// The pixels of an upsampled row that pixel i of `size` is part of, and how much of each it is.
struct Spread {
  static constexpr int kBefore = 2, kMost = 6;  // none lies before 2 i - 2 or beyond 2 i + 3
  int first, count = 0;
  float shares[kMost];

  Spread(int i, int size) {
    first = 2 * i < kBefore ? 0 : 2 * i - kBefore;
    for (int at = first; at < first + kMost && at < 2 * size; ++at) {
      const Between pixels(at, size);
      shares[count++] = (pixels.first == i ? 1.0f - pixels.share : 0.0f) + (pixels.second == i ? pixels.share : 0.0f);
    }
  }
};

// to = the sum of rows of `count` numbers, each times its share of `spread`; row k lies at from + k * count.
inline void gather_spread(const Spread& spread, const float* from, int64_t count, float* to) {
  each_lanes(static_cast<int>(count), [&](int c, auto part) {
    Lanes sums = {};
    for (int k = 0; k < spread.count; ++k) sums += spread.shares[k] * part.load_from(from + k * count + c);
    part.store_to(to + c, sums);
  });
}

inline void upsample_back(const DynastUpsampling& p, const Parallel& parallel) {
  const int64_t line = int64_t{2} * p.width * p.channels;
  parallel(static_cast<int64_t>(p.batch) * p.height, [&](int64_t row) {
    const int y = static_cast<int>(row % p.height);
    const Spread rows(y, p.height);
    Floats sums(line);
    gather_spread(rows, p.input + ((row - y) * 2 + rows.first) * line, line, sums.get());
    float* to = p.output + row * p.width * p.channels;
    for (int x = 0; x < p.width; ++x, to += p.channels) {
      const Spread pixels(x, p.width);
      gather_spread(pixels, sums.get() + static_cast<int64_t>(pixels.first) * p.channels, p.channels, to);
    }
  });
}

DYNAST_END
