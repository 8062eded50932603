// IEEE binary16 as storage: the host's conversions for processors that have none.
#pragma once

#include <string.h>

#include "dynast/problem.h"

DYNAST_BEGIN

struct Half {
  uint16_t bits;
};

inline float to_float(float x) { return x; }

inline float to_float(Half h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16;
  uint32_t bits = static_cast<uint32_t>(h.bits & 0x7fffu) << 13;
  float magnitude;
  if (bits >= 0x0f800000u) {  // infinity and NaN keep their mantissa under the wider exponent
    bits |= 0x7f800000u;
    memcpy(&magnitude, &bits, 4);
  } else {  // the multiplication rebases the exponent, of subnormal numbers too
    memcpy(&magnitude, &bits, 4);
    magnitude *= 0x1p112f;
  }
  memcpy(&bits, &magnitude, 4);
  bits |= sign;
  memcpy(&magnitude, &bits, 4);
  return magnitude;
}

// To the nearest, ties to even; too large becomes infinity.
inline Half to_half(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (bits >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};
  if (bits < 0x38800000u) {  // subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits
    float magnitude;
    memcpy(&magnitude, &bits, 4);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, 4);
    return {static_cast<uint16_t>(sign | (bits - 0x3f000000u))};
  }
  bits += 0x0fffu + (bits >> 13 & 1u);
  return {static_cast<uint16_t>(sign | (bits - 0x38000000u) >> 13)};
}

DYNAST_END
