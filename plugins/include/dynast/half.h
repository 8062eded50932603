// 16-bit floating-point numbers as storage types. Arithmetic is in float.
#pragma once

#include "dynast/problem.h"

#ifndef __CUDACC_RTC__
#include <string.h>
#endif

DYNAST_BEGIN

struct Half {  // IEEE binary16
  uint16_t bits;
};
struct Bfloat {  // bfloat16, the upper half of a float
  uint16_t bits;
};

DYNAST_INLINE float to_float(float x) { return x; }

DYNAST_INLINE float to_float(Half h) {
#ifdef __CUDA_ARCH__
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(h.bits));
  return result;
#else
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16;
  uint32_t bits = static_cast<uint32_t>(h.bits & 0x7fffu) << 13;
  float magnitude;
  if (bits >= 0x0f800000u) {  // infinity and NaN keep their mantissa under the wider exponent
    bits |= 0x7f800000u;
    memcpy(&magnitude, &bits, 4);
  } else {  // the multiplication corrects the exponent, also that of subnormal numbers
    memcpy(&magnitude, &bits, 4);
    magnitude *= 0x1p112f;
  }
  memcpy(&bits, &magnitude, 4);
  bits |= sign;
  memcpy(&magnitude, &bits, 4);
  return magnitude;
#endif
}

DYNAST_INLINE float to_float(Bfloat b) {
  const uint32_t bits = static_cast<uint32_t>(b.bits) << 16;
  float result;
  memcpy(&result, &bits, 4);
  return result;
}

DYNAST_INLINE void from_float(float x, float& to) { to = x; }

// Rounds to nearest, ties to even. Numbers that are too large become infinity.
DYNAST_INLINE void from_float(float x, Half& to) {
#ifdef __CUDA_ARCH__
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to.bits) : "f"(x));
#else
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u) {
    to.bits = sign | 0x7e00u;
  } else if (bits >= 0x477ff000u) {
    to.bits = sign | 0x7c00u;
  } else if (bits < 0x38800000u) {  // subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits
    float magnitude;
    memcpy(&magnitude, &bits, 4);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, 4);
    to.bits = static_cast<uint16_t>(sign | (bits - 0x3f000000u));
  } else {
    bits += 0x0fffu + (bits >> 13 & 1u);
    to.bits = static_cast<uint16_t>(sign | (bits - 0x38000000u) >> 13);
  }
#endif
}

DYNAST_INLINE void from_float(float x, Bfloat& to) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  to.bits = static_cast<uint16_t>(nan ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

DYNAST_END
