// Normalization and modulation, together with the activation or sum that follows them in a frame, in one pass.
#pragma once

#include "cpu/layers/frame_calls.h"
#include "cpu/layers/modulation.h"

DYNAST_BEGIN

template <class Channels>
inline void spade_tokens(Channels channels, const DynastSpade& call, const Parallel& parallel) {
  constexpr int64_t kTokensPerTask = 256;
  parallel((call.length + kTokensPerTask - 1) / kTokensPerTask, [&](int64_t task) {
    const int64_t begin = task * kTokensPerTask, left = call.length - begin;
    TokenRow<Channels> x(channels), unit(channels), gamma(channels), z(channels);
    for (int64_t at = begin; at < begin + (left < kTokensPerTask ? left : kTokensPerTask); ++at) {
      load_row(call.input + at * channels, channels, x);
      load_row(call.gamma + at * channels, channels, gamma);
      load_row(call.beta + at * channels, channels, z);
      normalize(channels, x, unit);
      for (int v = 0; v < vectors_of(channels); ++v) z[v] += gamma[v] * unit[v];
      if (call.attended) {
        mix_row(channels, call.attended + at * channels, 1.0f - call.confidence[at], z, x, unit);
        normalize(channels, unit, z);
      } else {
        for (int v = 0; v < vectors_of(channels); ++v) z[v] = prelu(z[v], call.slope);
      }
      store_row(call.output + at * channels, channels, z);
    }
  });
}

inline void spade(const DynastSpade& call, const Parallel& parallel) {
  with_channels(call.channels, [&](auto channels) { spade_tokens(channels, call, parallel); });
}

DYNAST_END
