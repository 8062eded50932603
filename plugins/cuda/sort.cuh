// A stable radix sort of numbers by key, 4 bits at a time, without atomics: the result is deterministic.
//
// Each pass counts the digits of every tile of kTile items, computes the prefix sums of these counts over all tiles,
// digit by digit, and moves the items to the positions that the prefix sums give.
#pragma once

#include "cuda/team.cuh"

DYNAST_BEGIN

constexpr int kDigitBits = 4;
constexpr int kDigits = 1 << kDigitBits;
constexpr int kItemsPerThread = 16;
constexpr int kTile = kBlockThreads * kItemsPerThread;

DYNAST_INLINE int64_t tile_count(int64_t items) { return (items + kTile - 1) / kTile; }

// Passes that sort keys from 0 to `largest`.
DYNAST_INLINE int pass_count(uint32_t largest) {
  int passes = 1;
  while (largest >>= kDigitBits) ++passes;
  return passes;
}

// The sum of `x` over all threads of the block before this one; `total` becomes the sum over all. `warp_sums` is
// scratch.
__device__ inline uint32_t sum_before(uint32_t x, uint32_t (&warp_sums)[kBlockThreads / 32], uint32_t& total) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  uint32_t sum = x;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const uint32_t other = __shfl_up_sync(~0u, sum, distance, 32);
    if (lane >= distance) sum += other;
  }
  if (lane == 31) warp_sums[warp] = sum;
  __syncthreads();
  total = 0;
  uint32_t before = 0;
#pragma unroll
  for (int i = 0; i < kBlockThreads / 32; ++i) {
    if (i < warp) before += warp_sums[i];
    total += warp_sums[i];
  }
  __syncthreads();
  return before + sum - x;
}

// For each digit and thread, the number of a tile's items; after `sum_up`, the number of items before those, in the
// order of digits and then of threads.
struct DigitCounts {
  uint32_t warp_sums[kBlockThreads / 32];
  uint16_t counts[kDigits * kBlockThreads];

  __device__ uint16_t& of(int digit, int thread) { return counts[digit * kBlockThreads + thread]; }

  __device__ void sum_up() {
    __syncthreads();
    // Each thread sums a segment of sixteen counts; a digit has eight segments.
    uint16_t* segment = counts + threadIdx.x * kDigits;
    uint32_t sum = 0, total;
    for (int i = 0; i < kDigits; ++i) sum += segment[i];
    sum = sum_before(sum, warp_sums, total);
    for (int i = 0; i < kDigits; ++i) {
      const uint16_t count = segment[i];
      segment[i] = static_cast<uint16_t>(sum);
      sum += count;
    }
    __syncthreads();
  }
};

// One pass over `count` items from `keys` and `items` (null: item i is i) to `sorted_keys` and `sorted_items`.
struct SortPass {
  const uint32_t *keys, *items;
  uint32_t *sorted_keys, *sorted_items;
  uint32_t* tile_digits;  // [kDigits, tiles]
  uint32_t count, tiles;
  int shift;

  DYNAST_INLINE uint32_t digit(uint32_t key) const { return key >> shift & (kDigits - 1); }
};

// Counts the digits of this block's tile and sums the counts up. Returns this thread's first item.
__device__ inline uint32_t count_tile(const SortPass& pass, DigitCounts& counts) {
  const uint32_t first = blockIdx.x * kTile + threadIdx.x * kItemsPerThread;
  for (int digit = 0; digit < kDigits; ++digit) counts.of(digit, threadIdx.x) = 0;
  for (uint32_t i = first; i < first + kItemsPerThread && i < pass.count; ++i)
    ++counts.of(pass.digit(pass.keys[i]), threadIdx.x);
  counts.sum_up();
  return first;
}

__global__ void __launch_bounds__(kBlockThreads) count_digits(SortPass pass) {
  __shared__ DigitCounts counts;
  count_tile(pass, counts);
  if (threadIdx.x >= kDigits) return;
  const int digit = threadIdx.x;
  const uint32_t left = pass.count - blockIdx.x * kTile;
  const uint32_t end = digit + 1 < kDigits ? counts.of(digit + 1, 0) : (left < kTile ? left : kTile);
  pass.tile_digits[digit * pass.tiles + blockIdx.x] = end - counts.of(digit, 0);
}

// In place: each of `count` numbers becomes the sum of those before it. Launched with one block.
__global__ void __launch_bounds__(kBlockThreads) sum_up(uint32_t* numbers, uint32_t count) {
  __shared__ uint32_t warp_sums[kBlockThreads / 32];
  uint32_t carry = 0;
  for (uint32_t first = 0; first < count; first += kTile) {
    const uint32_t begin = first + threadIdx.x * kItemsPerThread;
    uint32_t segment[kItemsPerThread], sum = 0, total;
#pragma unroll
    for (int i = 0; i < kItemsPerThread; ++i) {
      segment[i] = begin + i < count ? numbers[begin + i] : 0;
      sum += segment[i];
    }
    sum = carry + sum_before(sum, warp_sums, total);
#pragma unroll
    for (int i = 0; i < kItemsPerThread; ++i) {
      if (begin + i < count) numbers[begin + i] = sum;
      sum += segment[i];
    }
    carry += total;
  }
}

__global__ void __launch_bounds__(kBlockThreads) move_items(SortPass pass) {
  __shared__ DigitCounts counts;
  __shared__ uint32_t starts[kDigits];  // of the digit in the sorted array, minus its start in this tile
  const uint32_t first = count_tile(pass, counts);
  if (threadIdx.x < kDigits)
    starts[threadIdx.x] = pass.tile_digits[threadIdx.x * pass.tiles + blockIdx.x] - counts.of(threadIdx.x, 0);
  __syncthreads();
  for (uint32_t i = first; i < first + kItemsPerThread && i < pass.count; ++i) {
    const uint32_t key = pass.keys[i], digit = pass.digit(key);
    const uint32_t to = starts[digit] + counts.of(digit, threadIdx.x)++;
    pass.sorted_keys[to] = key;
    pass.sorted_items[to] = pass.items ? pass.items[i] : i;
  }
}

DYNAST_END
