// Normalization of each channel over the pixels of a map.
#pragma once

#include <math.h>

#include "cpu/dispatch/parallel.h"
#include "cpu/layers/frame_calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

constexpr int kNormChunks = 32;  // of a map's pixels, with a sum each, whatever the number of threads

// means[c] = the mean over all pixels of x[c]; with `centre`, of (x[c] - centre[c]) squared.
inline void average_pixels(const float* map, int64_t pixels, int channels, const float* centre,
                           const Parallel& parallel, float* sums, float* means) {
  parallel(kNormChunks, [&](int64_t chunk) {
    float* sum = sums + chunk * channels;
    memset(sum, 0, static_cast<size_t>(channels) * sizeof(float));
    for (int64_t at = pixels * chunk / kNormChunks; at < pixels * (chunk + 1) / kNormChunks; ++at) {
      const float* x = map + at * channels;
      if (centre)
        for (int c = 0; c < channels; ++c) sum[c] += (x[c] - centre[c]) * (x[c] - centre[c]);
      else
        for (int c = 0; c < channels; ++c) sum[c] += x[c];
    }
  });
  for (int c = 0; c < channels; ++c) {
    double total = 0.0;
    for (int chunk = 0; chunk < kNormChunks; ++chunk) total += sums[static_cast<int64_t>(chunk) * channels + c];
    means[c] = static_cast<float>(total / static_cast<double>(pixels));
  }
}

inline void instance_norm(const DynastInstanceNorm& call, const Parallel& parallel) {
  const int channels = call.channels;
  Floats scratch(int64_t{kNormChunks + 2} * channels);
  float *sums = scratch.get(), *means = sums + int64_t{kNormChunks} * channels, *scales = means + channels;
  for (int n = 0; n < call.batch; ++n) {
    const float* map = call.input + n * call.pixels * channels;
    float* normed = call.output + n * call.pixels * channels;
    average_pixels(map, call.pixels, channels, nullptr, parallel, sums, means);
    average_pixels(map, call.pixels, channels, means, parallel, sums, scales);
    for (int c = 0; c < channels; ++c) scales[c] = call.scale[c] / sqrtf(scales[c] + call.epsilon);
    parallel(kNormChunks, [&](int64_t chunk) {
      for (int64_t at = call.pixels * chunk / kNormChunks; at < call.pixels * (chunk + 1) / kNormChunks; ++at)
        for (int c = 0; c < channels; ++c)
          normed[at * channels + c] = (map[at * channels + c] - means[c]) * scales[c] + call.bias[c];
    });
  }
}

DYNAST_END
