// Norms over the channels of each token with what surrounds them in the network, and their gradients, in one pass.
#pragma once

#include "cpu/layers/activation.h"
#include "cpu/layers/token_row.h"
#include "cpu/layers/training_calls.h"

DYNAST_BEGIN

constexpr int kSlopePartials = 64;  // sums of the slope's gradient that are added up at the end, whatever the threads

// The tokens of the `part`-th of `parts` equal shares.
struct Share {
  int64_t begin, end;

  Share(int64_t length, int64_t part, int64_t parts) : begin(length * part / parts), end(length * (part + 1) / parts) {}
};

// z = (1 + gamma) * unit + beta; gamma and beta are a token's row of the modulation.
template <class Channels>
inline void modulate_row(Channels channels, const float* modulation, const TokenRow<Channels>& unit,
                         TokenRow<Channels>& gamma, TokenRow<Channels>& z) {
  load_row(modulation, channels, gamma);
  load_row(modulation + channels, channels, z);
  for (int v = 0; v < vectors_of(channels); ++v) z[v] += (1.0f + gamma[v]) * unit[v];
}

// mixed = attended + doubt * z + x
template <class Channels>
inline void mix_row(Channels channels, const float* attended, float doubt, const TokenRow<Channels>& z,
                    const TokenRow<Channels>& x, TokenRow<Channels>& mixed) {
  load_row(attended, channels, mixed);
  for (int v = 0; v < vectors_of(channels); ++v) mixed[v] += doubt * z[v] + x[v];
}

template <class Channels>
inline void modulate_tokens(int64_t length, Channels channels, const DynastModulationForward& call,
                            const Parallel& parallel) {
  parallel(kSlopePartials, [&](int64_t task) {
    TokenRow<Channels> x(channels), unit(channels), gamma(channels), z(channels), mixed(channels);
    const Share share(length, task, kSlopePartials);
    for (int64_t at = share.begin; at < share.end; ++at) {
      load_row(call.input + at * channels, channels, x);
      normalise(channels, x, unit);
      modulate_row(channels, call.modulation + at * 2 * channels, unit, gamma, z);
      float* output = call.output + at * channels;
      if (call.attended) {
        mix_row(channels, call.attended + at * channels, 1.0f - call.confidence[at], z, x, mixed);
        normalise(channels, mixed, mixed);
        store_row(output, channels, mixed);
      } else {
        for (int v = 0; v < vectors_of(channels); ++v) z[v] = rectified(z[v], *call.slope);
        store_row(output, channels, z);
      }
    }
  });
}

inline void modulate(const DynastModulation& p, const DynastModulationForward& call, const Parallel& parallel) {
  with_channels(p.channels, [&](auto channels) { modulate_tokens(p.length, channels, call, parallel); });
}

template <class Channels>
inline void modulate_tokens_back(int64_t length, Channels channels, const DynastModulationBackward& call,
                                 const Parallel& parallel) {
  float of_slope[kSlopePartials] = {};
  parallel(kSlopePartials, [&](int64_t task) {
    TokenRow<Channels> x(channels), unit(channels), gamma(channels), z(channels), mixed(channels), gradient(channels);
    Lanes slopes = {};
    const Share share(length, task, kSlopePartials);
    for (int64_t at = share.begin; at < share.end; ++at) {
      load_row(call.input + at * channels, channels, x);
      const float scale = normalise(channels, x, unit);
      modulate_row(channels, call.modulation + at * 2 * channels, unit, gamma, z);
      load_row(call.grad_output + at * channels, channels, gradient);
      float doubt = 1.0f;
      if (call.attended) {
        doubt = 1.0f - call.confidence[at];
        mix_row(channels, call.attended + at * channels, doubt, z, x, mixed);
        const float mixed_scale = normalise(channels, mixed, mixed);
        normalise_back(channels, mixed, mixed_scale, gradient);
        store_row(call.grad_attended + at * channels, channels, gradient);
        call.grad_confidence[at] = -product(channels, gradient, z);
        for (int v = 0; v < vectors_of(channels); ++v) mixed[v] = gradient[v];
      } else {
        const float slope = *call.slope;
        for (int v = 0; v < vectors_of(channels); ++v) {
          slopes += z[v] > 0.0f ? fill(0.0f) : gradient[v] * z[v];
          gradient[v] = rectified_back(z[v], slope, gradient[v]);
          mixed[v] = Lanes{};
        }
      }
      // Of z = (1 + gamma) * unit + beta `doubt` goes on; x goes on beside it where there is `attended`.
      for (int v = 0; v < vectors_of(channels); ++v) {
        z[v] = gradient[v] * doubt;
        gradient[v] = z[v] * (1.0f + gamma[v]);
        gamma[v] = z[v] * unit[v];
      }
      float* of_modulation = call.grad_modulation + at * 2 * channels;
      store_row(of_modulation, channels, gamma);
      store_row(of_modulation + channels, channels, z);
      normalise_back(channels, unit, scale, gradient);
      for (int v = 0; v < vectors_of(channels); ++v) gradient[v] += mixed[v];
      store_row(call.grad_input + at * channels, channels, gradient);
    }
    of_slope[task] = sum(slopes);
  });
  if (!call.grad_slope) return;
  *call.grad_slope = 0.0f;
  for (const float part : of_slope) *call.grad_slope += part;
}

inline void modulate_back(const DynastModulation& p, const DynastModulationBackward& call, const Parallel& parallel) {
  with_channels(p.channels, [&](auto channels) { modulate_tokens_back(p.length, channels, call, parallel); });
}

DYNAST_END
