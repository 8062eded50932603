// Norms over the channels of each token with what surrounds them in the network, and their gradients, in one pass.
#pragma once

#include <math.h>

#include "cpu/floats.h"
#include "cpu/layer_calls.h"
#include "cpu/rows.h"

DYNAST_BEGIN

constexpr float kNormEpsilon = 1e-8f;
constexpr int kSlopePartials = 64;  // sums of the slope's gradient that are added up at the end, whatever the threads

// A number of channels that the compiler knows; rows of so few stay in registers.
template <int kChannels>
struct Known {
  constexpr operator int() const { return kChannels; }
};

template <class Body>
inline void with_channels(int channels, Body body) {
  switch (channels) {
    case 16:
      return body(Known<16>{});
    case 32:
      return body(Known<32>{});
    case 64:
      return body(Known<64>{});
    default:
      return body(channels);
  }
}

// Rows of a token's channels, zeros up to whole vectors.
inline void load_row(const float* from, int channels, float* row) {
  int c = 0;
  for (; c + kLanes <= channels; c += kLanes) store(row + c, load(from + c));
  if (c < channels) store(row + c, load_part(from + c, channels - c));
}

inline void store_row(float* to, const float* row, int channels) {
  int c = 0;
  for (; c + kLanes <= channels; c += kLanes) store(to + c, load(row + c));
  if (c < channels) store_part(to + c, load(row + c), channels - c);
}

inline float sum_row(const float* row, int padded) {
  Lanes total = {};
  for (int c = 0; c < padded; c += kLanes) total += load(row + c);
  return sum(total);
}

// In place: the row normalised, its padding 0. Returns 1 / sqrt(variance + epsilon).
inline float normalise_row(float* row, int channels, int padded) {
  const float mean = sum_row(row, padded) / channels;
  Lanes squares = {};
  for (int c = 0; c < padded; c += kLanes) {
    const Lanes centred = load(row + c) - mean;
    store(row + c, centred);
  }
  for (int c = channels; c < padded; ++c) row[c] = 0.0f;
  for (int c = 0; c < padded; c += kLanes) squares += load(row + c) * load(row + c);
  const float scale = 1.0f / sqrtf(sum(squares) / (channels - 1) + kNormEpsilon);
  for (int c = 0; c < padded; c += kLanes) store(row + c, load(row + c) * scale);
  return scale;
}

// In place: the gradient of a normalised row `unit` becomes that of the row before. Its padding has to be 0.
inline void normalise_back(const float* unit, float scale, int channels, int padded, float* gradient) {
  Lanes products = {}, total = {};
  for (int c = 0; c < padded; c += kLanes) {
    products += load(gradient + c) * load(unit + c);
    total += load(gradient + c);
  }
  const float along = sum(products) / (channels - 1), mean = sum(total) / channels;
  for (int c = 0; c < padded; c += kLanes)
    store(gradient + c, (load(gradient + c) - mean - load(unit + c) * along) * scale);
  for (int c = channels; c < padded; ++c) gradient[c] = 0.0f;
}

// modulated = (1 + gamma) * unit + beta
inline void modulate_row(const float* unit, const float* gamma, const float* beta, int padded, float* modulated) {
  for (int c = 0; c < padded; c += kLanes)
    store(modulated + c, (1.0f + load(gamma + c)) * load(unit + c) + load(beta + c));
}

// The tokens of the `part`-th of `parts` equal shares.
template <class Token>
inline void each_token(int64_t length, int64_t part, int64_t parts, Token token) {
  for (int64_t at = length * part / parts; at < length * (part + 1) / parts; ++at) token(at);
}

template <class Channels>
inline void modulate_tokens(int64_t length, Channels channels, const DynastModulationForward& call,
                            const Parallel& parallel) {
  const int padded = rounded_up(channels, kLanes);
  parallel(kSlopePartials, [&](int64_t task) {
    Floats scratch(5 * padded);
    float *x = scratch.get(), *unit = x + padded, *gamma = unit + padded, *beta = gamma + padded, *z = beta + padded;
    each_token(length, task, kSlopePartials, [&](int64_t at) {
      load_row(call.input + at * channels, channels, x);
      memcpy(unit, x, static_cast<size_t>(padded) * sizeof(float));
      normalise_row(unit, channels, padded);
      load_row(call.modulation + at * 2 * channels, channels, gamma);
      load_row(call.modulation + at * 2 * channels + channels, channels, beta);
      modulate_row(unit, gamma, beta, padded, z);
      if (call.attended) {
        const float doubt = 1.0f - call.confidence[at];
        load_row(call.attended + at * channels, channels, gamma);
        for (int c = 0; c < padded; c += kLanes) store(z + c, load(gamma + c) + doubt * load(z + c) + load(x + c));
        normalise_row(z, channels, padded);
      } else {
        const float slope = *call.slope;
        for (int c = 0; c < padded; c += kLanes) {
          const Lanes value = load(z + c);
          store(z + c, value > 0.0f ? value : slope * value);
        }
      }
      store_row(call.output + at * channels, z, channels);
    });
  });
}

inline void modulate(const DynastModulation& p, const DynastModulationForward& call, const Parallel& parallel) {
  with_channels(p.channels, [&](auto channels) { modulate_tokens(p.length, channels, call, parallel); });
}

template <class Channels>
inline void modulate_tokens_back(int64_t length, Channels channels, const DynastModulationBackward& call,
                                 const Parallel& parallel) {
  const int padded = rounded_up(channels, kLanes);
  float of_slope[kSlopePartials] = {};
  parallel(kSlopePartials, [&](int64_t task) {
    Floats scratch(6 * padded);
    float *unit = scratch.get(), *gamma = unit + padded, *z = gamma + padded, *gradient = z + padded;
    float *mixed = gradient + padded, *x = mixed + padded;
    Lanes slopes = {};
    each_token(length, task, kSlopePartials, [&](int64_t at) {
      load_row(call.input + at * channels, channels, x);
      memcpy(unit, x, static_cast<size_t>(padded) * sizeof(float));
      const float scale = normalise_row(unit, channels, padded);
      load_row(call.modulation + at * 2 * channels, channels, gamma);
      load_row(call.modulation + at * 2 * channels + channels, channels, mixed);
      modulate_row(unit, gamma, mixed, padded, z);
      load_row(call.grad_output + at * channels, channels, gradient);
      float doubt = 1.0f;
      if (call.attended) {
        doubt = 1.0f - call.confidence[at];
        load_row(call.attended + at * channels, channels, mixed);
        for (int c = 0; c < padded; c += kLanes) store(mixed + c, load(mixed + c) + doubt * load(z + c) + load(x + c));
        const float mixed_scale = normalise_row(mixed, channels, padded);
        normalise_back(mixed, mixed_scale, channels, padded, gradient);
        store_row(call.grad_attended + at * channels, gradient, channels);
        Lanes products = {};
        for (int c = 0; c < padded; c += kLanes) products += load(gradient + c) * load(z + c);
        call.grad_confidence[at] = -sum(products);
        memcpy(mixed, gradient, static_cast<size_t>(padded) * sizeof(float));
      } else {
        const float slope = *call.slope;
        for (int c = 0; c < padded; c += kLanes) {
          const Lanes value = load(z + c), g = load(gradient + c);
          slopes += value > 0.0f ? fill(0.0f) : g * value;
          store(gradient + c, value > 0.0f ? g : slope * g);
        }
      }
      // z = (1 + gamma) * unit + beta, of which `doubt` goes on.
      for (int c = 0; c < padded; c += kLanes) {
        const Lanes of_z = load(gradient + c) * doubt;
        store(z + c, of_z);
        store(gradient + c, of_z * (1.0f + load(gamma + c)));
        store(gamma + c, of_z * load(unit + c));
      }
      store_row(call.grad_modulation + at * 2 * channels, gamma, channels);
      store_row(call.grad_modulation + at * 2 * channels + channels, z, channels);
      normalise_back(unit, scale, channels, padded, gradient);
      if (call.attended)
        for (int c = 0; c < padded; c += kLanes) store(gradient + c, load(gradient + c) + load(mixed + c));
      store_row(call.grad_input + at * channels, gradient, channels);
    });
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
