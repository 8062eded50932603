// A stable sort of numbers by key, 4 bits at a time, without atomics: the order does not depend on chance.
//
// Each pass counts the digits of every tile of kTile items, sums the counts of all tiles up, digit by digit, and
// moves the items to where those sums say.
#pragma once

#include "cuda/team.cuh"

DYNAST_BEGIN

constexpr int kDigitBits = 4;
constexpr int kDigits = 1 << kDigitBits;
constexpr int kItemsPerThread = 16;
constexpr int kTile = kBlockThreads * kItemsPerThread;

DYNAST_INLINE int64_t tile_count(int64_t items) { return (items + kTile - 1) / kTile; }

// Passes that sort numbers from 0 to `largest`.
DYNAST_INLINE int pass_count(uint32_t largest) {
  int passes = 1;
  while (largest >>= kDigitBits) ++passes;
  return passes;
}

// The sum of `x` of all threads of the block before this one; `total` is that of all. `room` is for each warp's sum.
__device__ inline uint32_t sum_before(uint32_t x, uint32_t (&room)[kBlockThreads / 32], uint32_t& total) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  uint32_t sum = x;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const uint32_t other = __shfl_up_sync(~0u, sum, distance, 32);
    if (lane >= distance) sum += other;
  }
  if (lane == 31) room[warp] = sum;
  __syncthreads();
  total = 0;
  uint32_t before = 0;
#pragma unroll
  for (int i = 0; i < kBlockThreads / 32; ++i) {
    if (i < warp) before += room[i];
    total += room[i];
  }
  __syncthreads();
  return before + sum - x;
}

// How many of a tile's items have which digit, by thread; then how many come before those, in the order of digits and
// of threads.
struct DigitCounts {
  uint32_t room[kBlockThreads / 32];
  uint16_t counts[kDigits * kBlockThreads];

  __device__ uint16_t& of(int digit, int thread) { return counts[digit * kBlockThreads + thread]; }

  __device__ void sum_up() {
    __syncthreads();
    // Each thread sums a stretch of sixteen; a digit is eight stretches.
    uint16_t* stretch = counts + threadIdx.x * kDigits;
    uint32_t sum = 0, total;
    for (int i = 0; i < kDigits; ++i) sum += stretch[i];
    sum = sum_before(sum, room, total);
    for (int i = 0; i < kDigits; ++i) {
      const uint16_t count = stretch[i];
      stretch[i] = static_cast<uint16_t>(sum);
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

// Counts this block's tile; `counts` are then summed up. Returns this thread's first item.
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

// In place: each of `count` numbers becomes the sum of those before it. One block.
__global__ void __launch_bounds__(kBlockThreads) sum_up(uint32_t* numbers, uint32_t count) {
  __shared__ uint32_t room[kBlockThreads / 32];
  uint32_t carry = 0;
  for (uint32_t first = 0; first < count; first += kTile) {
    const uint32_t begin = first + threadIdx.x * kItemsPerThread;
    uint32_t stretch[kItemsPerThread], sum = 0, total;
#pragma unroll
    for (int i = 0; i < kItemsPerThread; ++i) {
      stretch[i] = begin + i < count ? numbers[begin + i] : 0;
      sum += stretch[i];
    }
    sum = carry + sum_before(sum, room, total);
#pragma unroll
    for (int i = 0; i < kItemsPerThread; ++i) {
      if (begin + i < count) numbers[begin + i] = sum;
      sum += stretch[i];
    }
    carry += total;
  }
}

__global__ void __launch_bounds__(kBlockThreads) move_items(SortPass pass) {
  __shared__ DigitCounts counts;
  __shared__ uint32_t starts[kDigits];  // in the whole, less where the digit starts in this tile
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
