// Tokens: features divided by their Euclidean norm, followed by the position code; and the gradients.
#pragma once

#include "cpu/layers/modulation.h"

DYNAST_BEGIN

constexpr float kUnitEpsilon = 1e-10f;
constexpr int kTokenChunks = 64;

template <class Channels>
inline void make_unit_tokens(const DynastUnitTokens& p, Channels channels, const DynastUnitTokensForward& call,
                             const Parallel& parallel) {
  const int width = channels + p.pos_channels;
  parallel(kTokenChunks, [&](int64_t task) {
    const TokenRange range(p.length, task, kTokenChunks);
    TokenRow<Channels> row(channels);
    for (int64_t n = 0; n < p.batch; ++n)
      for (int64_t at = range.begin; at < range.end; ++at) {
        load_row(call.input + (n * p.length + at) * channels, channels, row);
        const float scale = 1.0f / (sqrtf(product(channels, row, row)) + kUnitEpsilon);
        for (int v = 0; v < vectors_of(channels); ++v) row[v] *= scale;
        float* token = call.output + (n * p.length + at) * width;
        store_row(token, channels, row);
        for_each_vector(p.pos_channels, [&](int c, auto part) {
          part.store_to(token + channels + c, part.load_from(call.pos + at * p.pos_channels + c));
        });
      }
  });
}

inline void unit_tokens(const DynastUnitTokens& p, const DynastUnitTokensForward& call, const Parallel& parallel) {
  with_channels(p.channels, [&](auto channels) { make_unit_tokens(p, channels, call, parallel); });
}

template <class Channels>
inline void make_unit_tokens_back(const DynastUnitTokens& p, Channels channels, const DynastUnitTokensBackward& call,
                                  const Parallel& parallel) {
  const int width = channels + p.pos_channels;
  parallel(kTokenChunks, [&](int64_t task) {
    const TokenRange range(p.length, task, kTokenChunks);
    TokenRow<Channels> row(channels), gradient(channels);
    // The maps in sequence, so that each sum over them has one order.
    for (int64_t n = 0; n < p.batch; ++n)
      for (int64_t at = range.begin; at < range.end; ++at) {
        const float* token = call.grad_output + (n * p.length + at) * width;
        load_row(call.input + (n * p.length + at) * channels, channels, row);
        load_row(token, channels, gradient);
        const float norm = sqrtf(product(channels, row, row)), scale = 1.0f / (norm + kUnitEpsilon);
        // The factors are applied in sequence: the square of a small norm would be 0.
        const float along = product(channels, gradient, row) * scale, inverse = norm > 0.0f ? 1.0f / norm : 0.0f;
        for (int v = 0; v < vectors_of(channels); ++v) gradient[v] = (gradient[v] - row[v] * inverse * along) * scale;
        store_row(call.grad_input + (n * p.length + at) * channels, channels, gradient);
        for_each_vector(p.pos_channels, [&](int c, auto part) {
          float* total = call.grad_pos + at * p.pos_channels + c;
          const Lanes of_pos = part.load_from(token + channels + c);
          part.store_to(total, n ? part.load_from(total) + of_pos : of_pos);
        });
      }
  });
}

inline void unit_tokens_back(const DynastUnitTokens& p, const DynastUnitTokensBackward& call,
                             const Parallel& parallel) {
  with_channels(p.channels, [&](auto channels) { make_unit_tokens_back(p, channels, call, parallel); });
}

DYNAST_END
