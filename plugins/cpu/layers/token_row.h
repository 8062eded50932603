// The channels of one token as vectors, and the normalization over them.
#pragma once

#include <math.h>

#include "cpu/memory/buffer.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

constexpr float kNormEpsilon = 1e-8f;

// A number of channels that is known at compile time.
template <int kChannels>
struct Known {
  constexpr operator int() const { return kChannels; }
};

// `body(channels)`, where the usual numbers of channels are known at compile time.
template <class Body>
inline void with_channels(int channels, Body body) {
  switch (channels) {
    case 16:
      return body(Known<16>{});
    case 32:
      return body(Known<32>{});
    case 64:
      return body(Known<64>{});
    case 128:
      return body(Known<128>{});
    default:
      return body(channels);
  }
}

inline constexpr int vectors_of(int channels) { return (channels + kLanes - 1) / kLanes; }

// Padded with zeros beyond the last channel. With a known number of channels the row stays in registers.
template <class Channels>
class TokenRow {
 public:
  explicit TokenRow(int channels) : lanes_(vectors_of(channels)) {}
  Lanes& operator[](int v) { return lanes_.get()[v]; }
  const Lanes& operator[](int v) const { return lanes_.get()[v]; }

 private:
  Buffer<Lanes> lanes_;
};

template <int kChannels>
class TokenRow<Known<kChannels>> {
 public:
  explicit TokenRow(int) {}
  Lanes& operator[](int v) { return lanes_[v]; }
  const Lanes& operator[](int v) const { return lanes_[v]; }

 private:
  Lanes lanes_[vectors_of(kChannels)];
};

template <class Channels>
inline void load_row(const float* from, Channels channels, TokenRow<Channels>& row) {
  const int whole = channels / kLanes, rest = channels % kLanes;
  for (int v = 0; v < whole; ++v) row[v] = load(from + v * kLanes);
  if (rest) row[whole] = load_part(from + whole * kLanes, rest);
}

template <class Channels>
inline void store_row(float* to, Channels channels, const TokenRow<Channels>& row) {
  const int whole = channels / kLanes, rest = channels % kLanes;
  for (int v = 0; v < whole; ++v) store(to + v * kLanes, row[v]);
  if (rest) store_part(to + whole * kLanes, row[whole], rest);
}

template <class Channels>
inline void clear_beyond(Channels channels, TokenRow<Channels>& row) {
  for (int c = channels; c < vectors_of(channels) * kLanes; ++c) row[c / kLanes][c % kLanes] = 0.0f;
}

template <class Channels>
inline float sum_row(Channels channels, const TokenRow<Channels>& row) {
  Lanes total = {};
  for (int v = 0; v < vectors_of(channels); ++v) total += row[v];
  return reduce_sum(total);
}

template <class Channels>
inline float product(Channels channels, const TokenRow<Channels>& a, const TokenRow<Channels>& b) {
  Lanes total = {};
  for (int v = 0; v < vectors_of(channels); ++v) total += a[v] * b[v];
  return reduce_sum(total);
}

// unit = the normalized row; both may be the same row. Returns 1 / sqrt(variance + epsilon).
template <class Channels>
inline float normalize(Channels channels, const TokenRow<Channels>& row, TokenRow<Channels>& unit) {
  const float mean = sum_row(channels, row) / channels;
  for (int v = 0; v < vectors_of(channels); ++v) unit[v] = row[v] - mean;
  clear_beyond(channels, unit);
  const float scale = 1.0f / sqrtf(product(channels, unit, unit) / (channels - 1) + kNormEpsilon);
  for (int v = 0; v < vectors_of(channels); ++v) unit[v] *= scale;
  return scale;
}

// In place: the gradient of the normalized row `unit` becomes that of the row itself. Both have to be padded with
// zeros.
template <class Channels>
inline void normalize_back(Channels channels, const TokenRow<Channels>& unit, float scale,
                           TokenRow<Channels>& gradient) {
  const float along = product(channels, gradient, unit) / (channels - 1);
  const float mean = sum_row(channels, gradient) / channels;
  for (int v = 0; v < vectors_of(channels); ++v) gradient[v] = (gradient[v] - mean - unit[v] * along) * scale;
  clear_beyond(channels, gradient);
}

DYNAST_END
