// Norm of each channel over the pixels of a map.
#pragma once

#include <math.h>

#include "cpu/layers/frame_calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

constexpr int kNormShares = 32;  // of a map's pixels, each with sums of its own, whatever the threads

// means[c] = the mean over all pixels of x, or where `centre` is given of (x - centre[c]) squared.
inline void average_pixels(const float* map, int64_t pixels, int channels, const float* centre,
                           const Parallel& parallel, float* sums, float* means) {
  parallel(kNormShares, [&](int64_t share) {
    float* sum = sums + share * channels;
    memset(sum, 0, static_cast<size_t>(channels) * sizeof(float));
    for (int64_t at = pixels * share / kNormShares; at < pixels * (share + 1) / kNormShares; ++at) {
      const float* x = map + at * channels;
      if (centre)
        for (int c = 0; c < channels; ++c) sum[c] += (x[c] - centre[c]) * (x[c] - centre[c]);
      else
        for (int c = 0; c < channels; ++c) sum[c] += x[c];
    }
  });
  for (int c = 0; c < channels; ++c) {
    double total = 0.0;
    for (int share = 0; share < kNormShares; ++share) total += sums[static_cast<int64_t>(share) * channels + c];
    means[c] = static_cast<float>(total / static_cast<double>(pixels));
  }
}

inline void normalise_map(const DynastInstanceNorm& call, const Parallel& parallel) {
  const int channels = call.channels;
  Floats scratch(int64_t{kNormShares + 2} * channels);
  float *sums = scratch.get(), *means = sums + int64_t{kNormShares} * channels, *scales = means + channels;
  for (int n = 0; n < call.batch; ++n) {
    const float* map = call.input + n * call.pixels * channels;
    float* normed = call.output + n * call.pixels * channels;
    average_pixels(map, call.pixels, channels, nullptr, parallel, sums, means);
    average_pixels(map, call.pixels, channels, means, parallel, sums, scales);
    for (int c = 0; c < channels; ++c) scales[c] = call.scale[c] / sqrtf(scales[c] + call.epsilon);
    parallel(kNormShares, [&](int64_t share) {
      for (int64_t at = call.pixels * share / kNormShares; at < call.pixels * (share + 1) / kNormShares; ++at)
        for (int c = 0; c < channels; ++c)
          normed[at * channels + c] = (map[at * channels + c] - means[c]) * scales[c] + call.bias[c];
    });
  }
}

DYNAST_END
