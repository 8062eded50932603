// Backward pass on a GPU, second half: by key, the sums over the queries that have it as a candidate.
//
// The candidates are sorted by key (sort.cuh), and those of one key in the order of the queries. Each warp sums one
// segment of them, so a key that many queries share does not make one warp slower than the others. Where a segment ends
// within a key, both partial sums are stored, and a last kernel adds the partial sums of such keys in order.
#pragma once

#include "cuda/backward.cuh"

DYNAST_BEGIN

constexpr int kSegment = 128;

DYNAST_INLINE int64_t segment_count(int64_t candidates) { return (candidates + kSegment - 1) / kSegment; }

struct Sorted {
  const uint32_t* keys;        // ascending; those that are `dropped` come last
  const uint32_t* candidates;  // indices of the first half's candidates
  const Factors* factors;      // indexed by `candidates`
  uint32_t count, dropped;
  int candidates_per_query;
  float* parts;  // [segments, 2, width]: partial sums of the first key if it began earlier, of the last if it goes on
  int width;     // channels of all sides

  DYNAST_INLINE float* part(int64_t segment, int end) const { return parts + (segment * 2 + end) * width; }
};

template <class T>
__device__ void write_sum(const Column<T>& column, const float (&sum)[Pack<T>::kSize], float* to) {
  if (!column.rows) return;
  if (column.whole)
    store_pack(sum, to);
  else
    to[0] = sum[0];
}

// Sums one segment for the columns of a warp's threads. The sums of keys that are not candidates have to be 0 before.
template <class T>
__global__ void __launch_bounds__(kBlockThreads, 4) sum_segments(BackwardTensors<T> t, Sorted sorted) {
  constexpr int kPack = Pack<T>::kSize;
  const Team<32> team;
  const int64_t segment = team_index<32>();
  const uint32_t begin = static_cast<uint32_t>(segment * kSegment);
  if (segment >= segment_count(sorted.count)) return;
  const uint32_t end = begin + kSegment < sorted.count ? begin + kSegment : sorted.count;
  const int columns = column_count<T>(t.channels);
  for (int first = 0; first < columns; first += 32) {
    const Column<T> column(t, first + team.lane);
    float sum[kPack] = {};
    uint32_t i = begin;
    bool began_earlier = begin > 0 && sorted.keys[begin - 1] == sorted.keys[begin];
    while (i < end) {
      const uint32_t key = sorted.keys[i];
      if (key == sorted.dropped) break;
      const uint32_t candidate = sorted.candidates[i];
      if (column.rows) {
        const float factor = sorted.factors[candidate].of[column.side];
        if (factor != 0.0f) {
          float row[kPack];
          column.read(candidate / sorted.candidates_per_query, row);
#pragma unroll
          for (int j = 0; j < kPack; ++j) sum[j] += factor * row[j];
        }
      }
      ++i;
      const bool goes_on = i < sorted.count && sorted.keys[i] == key;
      if (goes_on && i < end) continue;
      if (began_earlier)
        write_sum(column, sum, sorted.part(segment, 0) + column.offset);
      else if (goes_on)
        write_sum(column, sum, sorted.part(segment, 1) + column.offset);
      else
        write_sum(column, sum, column.sums + static_cast<int64_t>(key) * column.channels);
      began_earlier = false;
#pragma unroll
      for (int j = 0; j < kPack; ++j) sum[j] = 0.0f;
    }
  }
}

// Adds the partial sums of the key that begins in a segment and goes on in the next, if there is one.
template <class T>
__global__ void __launch_bounds__(kBlockThreads, 4) join_segments(BackwardTensors<T> t, Sorted sorted) {
  constexpr int kPack = Pack<T>::kSize;
  const Team<32> team;
  const int64_t segment = team_index<32>();
  if (segment + 1 >= segment_count(sorted.count)) return;
  const uint32_t begin = static_cast<uint32_t>(segment * kSegment), next = begin + kSegment;
  const uint32_t key = sorted.keys[next - 1];
  if (key == sorted.dropped || sorted.keys[next] != key) return;
  if (begin > 0 && sorted.keys[begin - 1] == key) return;
  const int columns = column_count<T>(t.channels);
  for (int first = 0; first < columns; first += 32) {
    const Column<T> column(t, first + team.lane);
    if (!column.rows) continue;
    float sum[kPack] = {};
    for (int64_t part = segment;
         part == segment || (part * kSegment < sorted.count && sorted.keys[part * kSegment] == key); ++part) {
      const float* from = sorted.part(part, part == segment) + column.offset;
#pragma unroll
      for (int j = 0; j < kPack; ++j)
        if (j == 0 || column.whole) sum[j] += from[j];
    }
    write_sum(column, sum, column.sums + static_cast<int64_t>(key) * column.channels);
  }
}

DYNAST_END
