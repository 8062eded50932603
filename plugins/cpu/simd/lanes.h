// A vector of floats, as wide as the instruction set that this file is compiled for, with loads and stores of whole and
// of partial vectors.
#pragma once

#include <string.h>

#include "dynast/half.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

DYNAST_BEGIN

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Lanes __attribute__((vector_size(kLanes * 4)));
typedef uint32_t BitLanes __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntLanes __attribute__((vector_size(kLanes * 4)));

inline Lanes broadcast(float x) { return Lanes{} + x; }

inline Lanes load(const float* from) {
  Lanes lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

inline void store(float* to, Lanes lanes) { memcpy(to, &lanes, sizeof lanes); }

inline Lanes load(const Half* from) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#elif defined(__aarch64__)
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(from))));
#else
  float floats[kLanes];
  for (int i = 0; i < kLanes; ++i) floats[i] = to_float(from[i]);
  return load(floats);
#endif
}

inline void store(Half* to, Lanes lanes) {
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(lanes, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__AVX2__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(lanes, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__aarch64__)
  vst1_u16(reinterpret_cast<uint16_t*>(to), vreinterpret_u16_f16(vcvt_f16_f32(lanes)));
#else
  for (int i = 0; i < kLanes; ++i) from_float(lanes[i], to[i]);
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
inline __m256i lane_mask(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

// The first `count` (1 .. kLanes - 1) elements, then zeros. Reads nothing beyond them.
inline Lanes load_part(const float* from, int count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
#elif defined(__AVX2__)
  return _mm256_maskload_ps(from, lane_mask(count));
#else
  Lanes lanes = {};
  for (int i = 0; i < count; ++i) lanes[i] = from[i];
  return lanes;
#endif
}

inline Lanes load_part(const Half* from, int count) {
  Half halves[kLanes] = {};
  for (int i = 0; i < count; ++i) halves[i] = from[i];
  return load(halves);
}

inline void store_part(float* to, Lanes lanes, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), lanes);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(to, lane_mask(count), lanes);
#else
  for (int i = 0; i < count; ++i) to[i] = lanes[i];
#endif
}

inline void store_part(Half* to, Lanes lanes, int count) {
  Half halves[kLanes];
  store(halves, lanes);
  for (int i = 0; i < count; ++i) to[i] = halves[i];
}

// Loads and stores of a whole vector, and of the first `count` lanes.
struct FullVector {
  template <class T>
  Lanes load_from(const T* from) const {
    return load(from);
  }
  template <class T>
  void store_to(T* to, Lanes lanes) const {
    store(to, lanes);
  }
};

struct PartialVector {
  int count;
  template <class T>
  Lanes load_from(const T* from) const {
    return load_part(from, count);
  }
  template <class T>
  void store_to(T* to, Lanes lanes) const {
    store_part(to, lanes, count);
  }
};

// `body(c, part)` for each vector of `channels` numbers: `c` is its first number, and `part` loads and stores it. The
// last vector may be partial.
template <class Body>
inline void for_each_vector(int channels, Body body) {
  int c = 0;
  for (; c + kLanes <= channels; c += kLanes) body(c, FullVector{});
  if (c < channels) body(c, PartialVector{channels - c});
}

typedef float Four __attribute__((vector_size(16)));

// The sums of the lanes of four vectors. Four together share the shuffles, which would otherwise cost more than the
// products.
inline Four sum4(Lanes a, Lanes b, Lanes c, Lanes d) {
#if defined(__AVX2__)
#if defined(__AVX512F__)
  const auto fold = [](__m512 x) {
    return _mm256_add_ps(_mm512_castps512_ps256(x), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1)));
  };
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(fold(a), fold(b)), _mm256_hadd_ps(fold(c), fold(d)));
#else
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
#endif
  return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
#else
  Four sums = {};
  for (int i = 0; i < kLanes; ++i) sums += Four{a[i], b[i], c[i], d[i]};
  return sums;
#endif
}

// All lanes of a vector combined by `combine`, which takes two vectors or two numbers.
template <class Combine>
inline float reduce(Lanes lanes, Combine combine) {
#if defined(__AVX2__)
#if defined(__AVX512F__)
  const __m256 halves =
      combine(_mm512_castps512_ps256(lanes), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(lanes), 1)));
#else
  const __m256 halves = lanes;
#endif
  const __m128 fours = combine(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
  const __m128 pairs = combine(fours, _mm_movehl_ps(fours, fours));
  return _mm_cvtss_f32(combine(pairs, _mm_movehdup_ps(pairs)));
#else
  float all = lanes[0];
  for (int i = 1; i < kLanes; ++i) all = combine(all, lanes[i]);
  return all;
#endif
}

inline float reduce_sum(Lanes lanes) {
  return reduce(lanes, [](auto a, auto b) { return a + b; });
}

inline float reduce_max(Lanes lanes) {
  return reduce(lanes, [](auto a, auto b) { return a > b ? a : b; });
}

// One bit for each lane, set where the two are equal. The first lane is the lowest bit.
inline uint32_t equal_lanes(Lanes a, Lanes b) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
#elif defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)));
#else
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(a[i] == b[i]) << i;
  return bits;
#endif
}

// exp(x) for x <= 0 to about one unit in the last place; 0 from -87 downwards. Cody-Waite reduction, then the Taylor
// polynomial of degree 7 on [-ln 2 / 2, ln 2 / 2].
inline Lanes exp_nonpositive(Lanes x) {
  const Lanes bounded = x > -87.0f ? x : broadcast(-87.0f);
  const Lanes magic = broadcast(0x1.8p23f);  // adding it rounds to an integer in the low mantissa bits
  const Lanes shifted = bounded * 1.44269504f + magic;
  const Lanes n = shifted - magic;
  const Lanes r = (bounded - n * 0.693145752f) - n * 1.42860677e-6f;
  Lanes poly = r * 1.9841270e-4f + 1.3888889e-3f;
  poly = poly * r + 8.3333333e-3f;
  poly = poly * r + 4.1666667e-2f;
  poly = poly * r + 1.6666667e-1f;
  poly = poly * r + 0.5f;
  poly = poly * (r * r) + r + 1.0f;
  BitLanes exponent, mantissa;
  memcpy(&exponent, &shifted, sizeof exponent);
  memcpy(&mantissa, &poly, sizeof mantissa);
  mantissa += exponent << 23;
  Lanes result;
  memcpy(&result, &mantissa, sizeof result);
  return x <= -87.0f ? broadcast(0.0f) : (x == x ? result : x);  // NaN stays NaN
}

DYNAST_END
