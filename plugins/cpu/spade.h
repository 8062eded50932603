// Norm, modulation and what follows them in a frame, in one pass.
#pragma once

#include "cpu/map_calls.h"
#include "cpu/modulation.h"

DYNAST_BEGIN

inline void modulate_map(const DynastSpade& call, const Parallel& parallel) {
  constexpr int64_t kTokensPerTask = 256;
  const int channels = call.channels, padded = rounded_up(channels, kLanes);
  parallel((call.length + kTokensPerTask - 1) / kTokensPerTask, [&](int64_t task) {
    const int64_t begin = task * kTokensPerTask, left = call.length - begin;
    Floats scratch(4 * padded);
    float *x = scratch.get(), *z = x + padded, *gamma = z + padded, *beta = gamma + padded;
    for (int64_t at = begin; at < begin + (left < kTokensPerTask ? left : kTokensPerTask); ++at) {
      load_row(call.input + at * channels, channels, x);
      load_row(call.gamma + at * channels, channels, gamma);
      load_row(call.beta + at * channels, channels, beta);
      memcpy(z, x, static_cast<size_t>(padded) * sizeof(float));
      normalise_row(z, channels, padded);
      if (call.attended) {
        const float doubt = 1.0f - call.confidence[at];
        for (int c = 0; c < padded; c += kLanes)
          store(z + c, doubt * (load(gamma + c) * load(z + c) + load(beta + c)) + load(x + c));
        load_row(call.attended + at * channels, channels, x);
        for (int c = 0; c < padded; c += kLanes) store(z + c, load(z + c) + load(x + c));
        normalise_row(z, channels, padded);
      } else {
        for (int c = 0; c < padded; c += kLanes) {
          const Lanes value = load(gamma + c) * load(z + c) + load(beta + c);
          store(z + c, value > 0.0f ? value : call.slope * value);
        }
      }
      store_row(call.output + at * channels, z, channels);
    }
  });
}

DYNAST_END
