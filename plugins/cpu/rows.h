// The two operations on rows that take the time: dot products of one row with many, and weighted sums of many.
#pragma once

#include "cpu/lanes.h"

DYNAST_BEGIN

inline int rounded_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

// Asks for rows that the processor cannot foresee, while it works on others.
template <class T>
inline void prefetch_rows(const T* table, int channels, const int32_t* rows, int count) {
  for (int i = 0; i < count; ++i) {
    const char* row = reinterpret_cast<const char*>(table + static_cast<int64_t>(rows[i]) * channels);
    for (size_t at = 0; at < channels * sizeof(T); at += 64) __builtin_prefetch(row + at);
  }
}

// products[i] = row . table[indices[i]] for i < count. `count` is rounded up to a multiple of 4, and `indices`
// and `products` have room for that; the indices in excess have to be valid too. `ahead`, if not null, are as many
// indices that will be wanted next.
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
    sum4(sums[0], sums[1], sums[2], sums[3], products + i);
  }
}

// Rows and their weights, gathered before a weighted sum so that its inner loop asks nothing.
template <int kCapacity>
struct WeightedRows {
  int32_t rows[kCapacity];
  float weights[kCapacity];
  int count = 0;

  // A weight of zero adds nothing, so its row is not even read.
  void add(int32_t row, float weight) {
    rows[count] = row;
    weights[count] = weight;
    count += weight != 0.0f;
  }
};

// total[c] = sum of weights[i] * table[rows[i]][c], or that added to what `total` holds.
template <class T, class Total>
inline void weighted_sum(const T* table, int channels, const int32_t* rows, const float* weights, int count, bool add,
                         Total* total) {
  constexpr int kBlock = 4;
  int c = 0;
  for (; c + kBlock * kLanes <= channels; c += kBlock * kLanes) {
    Lanes sums[kBlock] = {};
    if (add)
      for (int j = 0; j < kBlock; ++j) sums[j] = load(total + c + j * kLanes);
    for (int i = 0; i < count; ++i) {
      const T* row = table + static_cast<int64_t>(rows[i]) * channels + c;
      const Lanes weight = fill(weights[i]);
      for (int j = 0; j < kBlock; ++j) sums[j] += weight * load(row + j * kLanes);
    }
    for (int j = 0; j < kBlock; ++j) store(total + c + j * kLanes, sums[j]);
  }
  for (; c + kLanes <= channels; c += kLanes) {
    Lanes sums = add ? load(total + c) : Lanes{};
    for (int i = 0; i < count; ++i)
      sums += fill(weights[i]) * load(table + static_cast<int64_t>(rows[i]) * channels + c);
    store(total + c, sums);
  }
  if (c < channels) {
    const int rest = channels - c;
    Lanes sums = add ? load_part(total + c, rest) : Lanes{};
    for (int i = 0; i < count; ++i)
      sums += fill(weights[i]) * load_part(table + static_cast<int64_t>(rows[i]) * channels + c, rest);
    store_part(total + c, sums, rest);
  }
}

DYNAST_END
