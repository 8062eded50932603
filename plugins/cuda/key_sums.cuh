// Backward pass on a GPU, second half: the sums of each key over the queries that had it as a candidate.
//
// The candidates are sorted by key (sort.cuh), those of one key in the order of the queries. A warp goes through a
// stretch of them, so that a key that everybody looks at is no more work for one warp than any other. Where a
// stretch ends within a key, both parts are kept, and a last kernel adds the parts of such keys in order.
#pragma once

#include "cuda/backward.cuh"

DYNAST_BEGIN

constexpr int kStretch = 128;

DYNAST_INLINE int64_t stretch_count(int64_t candidates) { return (candidates + kStretch - 1) / kStretch; }

struct Sorted {
  const uint32_t* keys;        // ascending, then those that are `dropped`
  const uint32_t* candidates;  // indices of the first half's candidates
  const Factors* factors;      // by those indices
  uint32_t count, dropped;
  int candidates_per_query;
  float* parts;  // [stretches, 2, width]: a key that began earlier, and one that goes on
  int width;     // channels of all sides

  DYNAST_INLINE float* part(int64_t stretch, int end) const { return parts + (stretch * 2 + end) * width; }
};

template <class T>
__device__ void write_sum(const Column<T>& column, const float (&sum)[Piece<T>::kSize], float* to) {
  if (!column.rows) return;
  if (column.whole)
    store_piece(sum, to);
  else
    to[0] = sum[0];
}

// Sums one stretch for the columns of a warp's threads. Keys that nobody looked at have to be 0 before.
template <class T>
__global__ void __launch_bounds__(kBlockThreads, 4) collect(BackwardTensors<T> t, Sorted sorted) {
  constexpr int kPiece = Piece<T>::kSize;
  const Team<32> team;
  const int64_t stretch = team_index<32>();
  const uint32_t begin = static_cast<uint32_t>(stretch * kStretch);
  if (stretch >= stretch_count(sorted.count)) return;
  const uint32_t end = begin + kStretch < sorted.count ? begin + kStretch : sorted.count;
  const int columns = column_count<T>(t.channels);
  for (int first = 0; first < columns; first += 32) {
    const Column<T> column(t, first + team.lane);
    float sum[kPiece] = {};
    uint32_t i = begin;
    bool began_earlier = begin > 0 && sorted.keys[begin - 1] == sorted.keys[begin];
    while (i < end) {
      const uint32_t key = sorted.keys[i];
      if (key == sorted.dropped) break;
      const uint32_t candidate = sorted.candidates[i];
      if (column.rows) {
        const float factor = sorted.factors[candidate].of[column.side];
        if (factor != 0.0f) {
          float row[kPiece];
          column.read(candidate / sorted.candidates_per_query, row);
#pragma unroll
          for (int j = 0; j < kPiece; ++j) sum[j] += factor * row[j];
        }
      }
      ++i;
      const bool goes_on = i < sorted.count && sorted.keys[i] == key;
      if (goes_on && i < end) continue;
      if (began_earlier)
        write_sum(column, sum, sorted.part(stretch, 0) + column.offset);
      else if (goes_on)
        write_sum(column, sum, sorted.part(stretch, 1) + column.offset);
      else
        write_sum(column, sum, column.sums + static_cast<int64_t>(key) * column.channels);
      began_earlier = false;
#pragma unroll
      for (int j = 0; j < kPiece; ++j) sum[j] = 0.0f;
    }
  }
}

// Adds up the parts of the key that begins in a stretch and does not end there, if there is one.
template <class T>
__global__ void __launch_bounds__(kBlockThreads, 4) join_parts(BackwardTensors<T> t, Sorted sorted) {
  constexpr int kPiece = Piece<T>::kSize;
  const Team<32> team;
  const int64_t stretch = team_index<32>();
  if (stretch + 1 >= stretch_count(sorted.count)) return;
  const uint32_t begin = static_cast<uint32_t>(stretch * kStretch), next = begin + kStretch;
  const uint32_t key = sorted.keys[next - 1];
  if (key == sorted.dropped || sorted.keys[next] != key) return;
  if (begin > 0 && sorted.keys[begin - 1] == key) return;
  const int columns = column_count<T>(t.channels);
  for (int first = 0; first < columns; first += 32) {
    const Column<T> column(t, first + team.lane);
    if (!column.rows) continue;
    float sum[kPiece] = {};
    for (int64_t part = stretch;
         part == stretch || (part * kStretch < sorted.count && sorted.keys[part * kStretch] == key); ++part) {
      const float* from = sorted.part(part, part == stretch) + column.offset;
#pragma unroll
      for (int j = 0; j < kPiece; ++j)
        if (j == 0 || column.whole) sum[j] += from[j];
    }
    write_sum(column, sum, column.sums + static_cast<int64_t>(key) * column.channels);
  }
}

DYNAST_END
