// Groups of threads of a warp that work on one query or key together, and how they read rows: 16 bytes each.
#pragma once

#include "dynast/half.h"

DYNAST_BEGIN

constexpr int kBlockThreads = 128;
constexpr float kLowest = -3.402823466e38f;

// A group of kSize threads. `lane` is this thread's index in the group.
template <int kSize>
struct Team {
  int lane;
  unsigned mask;

  __device__ Team() {
    lane = threadIdx.x % kSize;
    const int first = threadIdx.x % 32 / kSize * kSize;
    mask = (kSize == 32 ? ~0u : (1u << kSize % 32) - 1u) << first;
  }
  template <class T>
  __device__ T from(T x, int lane_of) const {
    return __shfl_sync(mask, x, lane_of, kSize);
  }
  template <class T>
  __device__ T across(T x, int distance) const {
    return __shfl_xor_sync(mask, x, distance, kSize);
  }
  __device__ float sum(float x) const {
#pragma unroll
    for (int distance = kSize / 2; distance > 0; distance /= 2) x += across(x, distance);
    return x;
  }
  __device__ float largest(float x) const {
#pragma unroll
    for (int distance = kSize / 2; distance > 0; distance /= 2) x = fmaxf(x, across(x, distance));
    return x;
  }
};

// Sixteen bytes of a row, as floats.
template <class T>
struct Pack {
  static constexpr int kSize = 16 / sizeof(T);
  float x[kSize];

  // From global memory that no thread of the launch writes.
  __device__ explicit Pack(const T* from) : Pack(__ldg(reinterpret_cast<const uint4*>(from))) {}

  __device__ explicit Pack(const uint4& raw) {
    T elements[kSize];
    memcpy(elements, &raw, 16);
#pragma unroll
    for (int i = 0; i < kSize; ++i) x[i] = to_float(elements[i]);
  }
};

// Sixteen bytes of shared memory.
__device__ inline Pack<float> load_shared_pack(const float* from) {
  return Pack<float>(*reinterpret_cast<const uint4*>(from));
}

// Writes `kSize` numbers to `to`, which is a multiple of 16 bytes.
template <int kSize, class T>
__device__ void store_pack(const float (&x)[kSize], T* to) {
  constexpr int kStep = 16 / sizeof(T);
  static_assert(kSize % kStep == 0, "whole packs");
#pragma unroll
  for (int first = 0; first < kSize; first += kStep) {
    T elements[kStep];
#pragma unroll
    for (int i = 0; i < kStep; ++i) from_float(x[first + i], elements[i]);
    uint4 raw;
    memcpy(&raw, elements, 16);
    *reinterpret_cast<uint4*>(to + first) = raw;
  }
}

// Whether all rows with this number of channels begin at multiples of 16 bytes, if the first does.
template <class T>
DYNAST_INLINE constexpr bool rows_aligned(int channels) {
  return channels % (16 / static_cast<int>(sizeof(T))) == 0;
}

DYNAST_END
