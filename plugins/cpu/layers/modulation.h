// Normalization over the channels of each token, together with the modulation and the PReLU or sum that follow it in
// the network, in one pass; and the gradients.
#pragma once

#include "cpu/layers/token_row.h"
#include "cpu/layers/training_calls.h"
#include "cpu/simd/prelu.h"

DYNAST_BEGIN

constexpr int kSlopeChunks =
    64;  // of the tokens, with a sum of the slope's gradient each, whatever the number of threads

// The tokens of chunk `index` of `count` chunks of equal size.
struct TokenRange {
  int64_t begin, end;

  TokenRange(int64_t length, int64_t index, int64_t count)
      : begin(length * index / count), end(length * (index + 1) / count) {}
};

// z = (1 + gamma) * unit + beta; gamma and beta are a token's row of the modulation.
template <class Channels>
inline void modulate_row(Channels channels, const float* modulation, const TokenRow<Channels>& unit,
                         TokenRow<Channels>& gamma, TokenRow<Channels>& z) {
  load_row(modulation, channels, gamma);
  load_row(modulation + channels, channels, z);
  for (int v = 0; v < vectors_of(channels); ++v) z[v] += (1.0f + gamma[v]) * unit[v];
}

// mixed = attended + remainder * z + x, where the remainder is 1 - confidence
template <class Channels>
inline void mix_row(Channels channels, const float* attended, float remainder, const TokenRow<Channels>& z,
                    const TokenRow<Channels>& x, TokenRow<Channels>& mixed) {
  load_row(attended, channels, mixed);
  for (int v = 0; v < vectors_of(channels); ++v) mixed[v] += remainder * z[v] + x[v];
}

template <class Channels>
inline void modulate_tokens(int64_t length, Channels channels, const DynastModulationForward& call,
                            const Parallel& parallel) {
  parallel(kSlopeChunks, [&](int64_t task) {
    TokenRow<Channels> x(channels), unit(channels), gamma(channels), z(channels), mixed(channels);
    const TokenRange range(length, task, kSlopeChunks);
    for (int64_t at = range.begin; at < range.end; ++at) {
      load_row(call.input + at * channels, channels, x);
      normalize(channels, x, unit);
      modulate_row(channels, call.modulation + at * 2 * channels, unit, gamma, z);
      float* output = call.output + at * channels;
      if (call.attended) {
        mix_row(channels, call.attended + at * channels, 1.0f - call.confidence[at], z, x, mixed);
        normalize(channels, mixed, mixed);
        store_row(output, channels, mixed);
      } else {
        for (int v = 0; v < vectors_of(channels); ++v) z[v] = prelu(z[v], *call.slope);
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
  float slope_gradients[kSlopeChunks] = {};
  parallel(kSlopeChunks, [&](int64_t task) {
    TokenRow<Channels> x(channels), unit(channels), gamma(channels), z(channels), mixed(channels), gradient(channels);
    Lanes slopes = {};
    const TokenRange range(length, task, kSlopeChunks);
    for (int64_t at = range.begin; at < range.end; ++at) {
      load_row(call.input + at * channels, channels, x);
      const float scale = normalize(channels, x, unit);
      modulate_row(channels, call.modulation + at * 2 * channels, unit, gamma, z);
      load_row(call.grad_output + at * channels, channels, gradient);
      float remainder = 1.0f;
      if (call.attended) {
        remainder = 1.0f - call.confidence[at];
        mix_row(channels, call.attended + at * channels, remainder, z, x, mixed);
        const float mixed_scale = normalize(channels, mixed, mixed);
        normalize_back(channels, mixed, mixed_scale, gradient);
        store_row(call.grad_attended + at * channels, channels, gradient);
        call.grad_confidence[at] = -product(channels, gradient, z);
        for (int v = 0; v < vectors_of(channels); ++v) mixed[v] = gradient[v];
      } else {
        const float slope = *call.slope;
        for (int v = 0; v < vectors_of(channels); ++v) {
          slopes += z[v] > 0.0f ? broadcast(0.0f) : gradient[v] * z[v];
          gradient[v] = prelu_gradient(z[v], slope, gradient[v]);
          mixed[v] = Lanes{};
        }
      }
      // z = (1 + gamma) * unit + beta counts with the factor `remainder`; with `attended`, x is added too.
      for (int v = 0; v < vectors_of(channels); ++v) {
        z[v] = gradient[v] * remainder;
        gradient[v] = z[v] * (1.0f + gamma[v]);
        gamma[v] = z[v] * unit[v];
      }
      float* of_modulation = call.grad_modulation + at * 2 * channels;
      store_row(of_modulation, channels, gamma);
      store_row(of_modulation + channels, channels, z);
      normalize_back(channels, unit, scale, gradient);
      for (int v = 0; v < vectors_of(channels); ++v) gradient[v] += mixed[v];
      store_row(call.grad_input + at * channels, channels, gradient);
    }
    slope_gradients[task] = reduce_sum(slopes);
  });
  if (!call.grad_slope) return;
  *call.grad_slope = 0.0f;
  for (const float part : slope_gradients) *call.grad_slope += part;
}

inline void modulate_back(const DynastModulation& p, const DynastModulationBackward& call, const Parallel& parallel) {
  with_channels(p.channels, [&](auto channels) { modulate_tokens_back(p.length, channels, call, parallel); });
}

DYNAST_END
