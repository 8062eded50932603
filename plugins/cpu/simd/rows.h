// The two operations on rows that take most of the time: dot products of one row with many, and weighted sums of many.
#pragma once

#include <type_traits>

#include "cpu/simd/lanes.h"

DYNAST_BEGIN

inline int rounded_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

// Prefetches rows that the hardware prefetcher cannot predict, while the processor works on others.
template <class T>
inline void prefetch_rows(const T* table, int channels, const int32_t* rows, int count) {
  for (int i = 0; i < count; ++i) {
    const char* row = reinterpret_cast<const char*>(table + static_cast<int64_t>(rows[i]) * channels);
    for (size_t at = 0; at < channels * sizeof(T); at += 64) __builtin_prefetch(row + at);
  }
}

// products[i] = row . table[indices[i]] for i < count. There have to be valid `indices`, and room for products, up to a
// multiple of 4. `ahead`, if not null, are as many indices whose rows are prefetched for the next call.
template <class T>
inline void dot_rows(const T* row, const T* table, int channels, const int32_t* indices, int count, float* products,
                     const int32_t* ahead = nullptr) {
  const int whole = channels / kLanes * kLanes;
  const int rest = channels - whole;
  for (int i = 0; i < count; i += 4) {
    const T* rows[4];
    for (int j = 0; j < 4; ++j) rows[j] = table + static_cast<int64_t>(indices[i + j]) * channels;
    if (ahead) prefetch_rows(table, channels, ahead + i, 4);
    Lanes sums[4] = {};
    for (int c = 0; c < whole; c += kLanes) {
      const Lanes x = load(row + c);
      for (int j = 0; j < 4; ++j) sums[j] += x * load(rows[j] + c);
    }
    if (rest) {
      const Lanes x = load_part(row + whole, rest);
      for (int j = 0; j < 4; ++j) sums[j] += x * load_part(rows[j] + whole, rest);
    }
    const Four four = sum4(sums[0], sums[1], sums[2], sums[3]);
    memcpy(products + i, &four, sizeof four);
  }
}

// Rows and their weights, collected before a weighted sum so that its inner loop has no branches.
template <int kCapacity>
struct WeightedRows {
  int32_t rows[kCapacity];
  float weights[kCapacity];
  int count = 0;

  // A row with weight 0 is left out, so it is not read.
  void add(int32_t row, float weight) {
    rows[count] = row;
    weights[count] = weight;
    count += weight != 0.0f;
  }
};

// kBlock vectors of a weighted sum, each in kChains partial sums: additions to one sum would wait for each other.
template <int kBlock, int kChains, class T, class Total, class Part>
inline void weighted_block(const T* table, int channels, const int32_t* rows, const float* weights, int count, bool add,
                           Total* total, Part part) {
  Lanes sums[kChains][kBlock] = {};
  const auto take = [&](int chain, int i) {
    const T* row = table + static_cast<int64_t>(rows[i]) * channels;
    const Lanes weight = broadcast(weights[i]);
    for (int j = 0; j < kBlock; ++j) sums[chain][j] += weight * part.load_from(row + j * kLanes);
  };
  int i = 0;
  for (; i + kChains <= count; i += kChains)
    for (int chain = 0; chain < kChains; ++chain) take(chain, i + chain);
  for (; i < count; ++i) take(0, i);
  for (int j = 0; j < kBlock; ++j) {
    Lanes sum = sums[0][j];
    for (int chain = 1; chain < kChains; ++chain) sum += sums[chain][j];
    part.store_to(total + j * kLanes, add ? part.load_from(total + j * kLanes) + sum : sum);
  }
}

// total[c] = sum of weights[i] * table[rows[i]][c]; with `add`, plus what `total` holds.
template <class T, class Total>
inline void weighted_sum(const T* table, int channels, const int32_t* rows, const float* weights, int count, bool add,
                         Total* total) {
  const auto sum = [&](auto block, auto chains, int c, auto part) {
    weighted_block<block, chains>(table + c, channels, rows, weights, count, add, total + c, part);
  };
  constexpr std::integral_constant<int, 4> kFour{};
  constexpr std::integral_constant<int, 2> kTwo{};
  constexpr std::integral_constant<int, 1> kOne{};
  int c = 0;
  for (; c + 4 * kLanes <= channels; c += 4 * kLanes) sum(kFour, kOne, c, FullVector{});
  for (; c + 2 * kLanes <= channels; c += 2 * kLanes) sum(kTwo, kTwo, c, FullVector{});
  for (; c + kLanes <= channels; c += kLanes) sum(kOne, kFour, c, FullVector{});
  if (c < channels) sum(kOne, kFour, c, PartialVector{channels - c});
}

DYNAST_END
