// Dense attention on a GPU: every key is a candidate of every query.
//
// One pass over the keys keeps a running softmax, a running sum of values and a running ranking. There is no matrix of
// all logits. A block has 32 queries and reads the keys 32 at a time: 256 threads compute the 32 x 32 logits from
// slices of both rows in shared memory, each warp turns those of four queries into weights, and all threads add the
// values. If there are more than 512 value channels, several blocks split them, and each computes its own logits.
#pragma once

#include "cuda/team.cuh"
#include "dynast/mask.h"

DYNAST_BEGIN

constexpr int kDenseThreads = 256;
constexpr int kDenseQueries = 32;  // of a block
constexpr int kDenseKeys = 32;     // of a step: one for each thread of a warp
constexpr int kDenseValues = 512;  // value channels of a block
constexpr int kQueriesPerWarp = kDenseQueries / (kDenseThreads / 32);

template <class T>
struct DenseTensors {
  const T *query, *query_prune, *key, *key_prune, *value;
  T *attended, *confidence;
  int32_t* next_matches;
};

// Channels of a slice in shared memory: 16 bytes for each thread of a row.
template <class T>
DYNAST_INLINE constexpr int slice_channels() {
  return kDenseThreads / kDenseQueries * (16 / static_cast<int>(sizeof(T)));
}

// The state of one query after some of the keys. Sums are of weights relative to exp(largest).
struct RunningSums {
  float largest, total, kept;
};

template <class T>
struct DenseShared {
  static constexpr int kStride = slice_channels<T>() + 4;  // avoids bank conflicts between the rows of a warp
  alignas(16) float query[kDenseQueries][kStride];
  alignas(16) float key[kDenseKeys][kStride];
  float logits[kDenseQueries][kDenseKeys + 1];
  float prune_logits[kDenseQueries][kDenseKeys + 1];
  alignas(16) float weights[kDenseKeys][kDenseQueries + 4];
  RunningSums sums[kDenseQueries];
  float best_logits[kDenseQueries][kMaxTopK];
  int32_t best_keys[kDenseQueries][kMaxTopK];
  float scales[kDenseQueries];  // factors for earlier sums; at the end 1 / total
};
static_assert(sizeof(DenseShared<Half>) <= 48 * 1024 && sizeof(DenseShared<float>) <= 48 * 1024, "fits every GPU");

// Loads this thread's 16 bytes of a slice: `rows` rows of `channels`, from channel `first` on. Zeros beyond rows and
// channels.
template <class T>
__device__ void load_slice(const T* table, int rows, int channels, int first, float (*to)[DenseShared<T>::kStride]) {
  constexpr int kPack = Pack<T>::kSize;
  constexpr int kThreadsPerRow = kDenseThreads / kDenseQueries;
  const int row = threadIdx.x / kThreadsPerRow, place = threadIdx.x % kThreadsPerRow * kPack;
  const int c = first + place;
  float* target = to[row] + place;
  if (row < rows && c < channels && rows_aligned<T>(channels)) {
    const Pack<T> pack(table + static_cast<int64_t>(row) * channels + c);
#pragma unroll
    for (int i = 0; i < kPack; ++i) target[i] = pack.x[i];
  } else {
    for (int i = 0; i < kPack; ++i)
      target[i] = row < rows && c + i < channels ? to_float(table[static_cast<int64_t>(row) * channels + c + i]) : 0.0f;
  }
}

// products[q][k] = query row q . key row k, of which each thread computes 2 x 2. All threads of the block have to call
// it.
template <class T>
__device__ void dot_tile(const T* query, int queries, const T* key, int keys, int channels, DenseShared<T>& shared,
                         float (*products)[kDenseKeys + 1]) {
  const int q = threadIdx.x / 16 * 2, k = threadIdx.x % 16;
  float sums[2][2] = {};
  for (int first = 0; first < channels; first += slice_channels<T>()) {
    __syncthreads();  // until all threads have read the slice before
    load_slice(query, queries, channels, first, shared.query);
    load_slice(key, keys, channels, first, shared.key);
    __syncthreads();
#pragma unroll 2
    for (int c = 0; c < slice_channels<T>(); c += 4) {
      const Pack<float> a0 = load_shared_pack(shared.query[q] + c), a1 = load_shared_pack(shared.query[q + 1] + c);
      const Pack<float> b0 = load_shared_pack(shared.key[k] + c), b1 = load_shared_pack(shared.key[k + 16] + c);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sums[0][0] += a0.x[i] * b0.x[i];
        sums[0][1] += a0.x[i] * b1.x[i];
        sums[1][0] += a1.x[i] * b0.x[i];
        sums[1][1] += a1.x[i] * b1.x[i];
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    products[q + i][k] = sums[i][0];
    products[q + i][k + 16] = sums[i][1];
  }
}

// Adds a warp's keys to the sums of one query; `logit` is the lowest number for a key that does not exist. Returns the
// weight of this thread's key, 0 if it is dropped. `scale` becomes the factor for earlier sums of the query.
__device__ inline float add_keys(const Team<32>& warp, RunningSums& sums, float logit, bool exists, bool keep,
                                 float& scale) {
  const float before = sums.largest;
  const float largest = fmaxf(before, warp.largest(logit));
  scale = expf(before - largest);
  const float weight = exists ? expf(logit - largest) : 0.0f;
  const float kept_weight = keep ? weight : 0.0f;
  const float sum = warp.sum(weight), kept_sum = warp.sum(kept_weight);
  __syncwarp();  // until all threads have read the sums before
  if (warp.lane == 0) sums = {largest, sums.total * scale + sum, sums.kept * scale + kept_sum};
  return kept_weight;
}

// Inserts a warp's keys into the best keys of one query so far, `logits` and `keys`. In here thread j of the warp holds
// the j-th best. Of equal logits the earlier key ranks first: keys come in order, and a key is inserted behind those
// with the same logit.
__device__ inline void offer(const Team<32>& warp, float logit, bool exists, int first, int top_k, float* logits,
                             int32_t* keys) {
  float best_logit = warp.lane < top_k ? logits[warp.lane] : kLowest;
  int32_t best_key = warp.lane < top_k ? keys[warp.lane] : 0;
  const float worst = warp.from(best_logit, top_k - 1);  // not in a condition: the exchange needs all threads
  unsigned better = __ballot_sync(~0u, exists && logit > worst);
  if (!better) return;
  while (better) {
    const int lane = __ffs(static_cast<int>(better)) - 1;
    better &= better - 1;
    const float candidate = warp.from(logit, lane);
    const int place = __popc(__ballot_sync(~0u, warp.lane < top_k && best_logit >= candidate));
    const float moved_logit = __shfl_up_sync(~0u, best_logit, 1, 32);
    const int32_t moved_key = __shfl_up_sync(~0u, best_key, 1, 32);
    if (warp.lane < place) continue;
    best_logit = warp.lane == place ? candidate : moved_logit;
    best_key = warp.lane == place ? first + lane : moved_key;
  }
  if (warp.lane >= top_k) return;
  logits[warp.lane] = best_logit;
  keys[warp.lane] = best_key;
}

// The value channels of one thread, and their sums for its eight queries: in packs of 16 bytes, or one by one.
template <class T>
struct ValueSums {
  static constexpr int kQueries = 8;
  static constexpr int kThreads = kDenseThreads / (kDenseQueries / kQueries);  // that share a row of values
  static constexpr int kChannels = kDenseValues / kThreads;
  static constexpr int kPack = Pack<T>::kSize;
  float x[kQueries][kChannels] = {};

  // The `i`-th channel of this thread.
  __device__ static int channel(int i, bool whole) {
    const int thread = threadIdx.x % kThreads;
    return whole ? (i / kPack * kThreads + thread) * kPack + i % kPack : i * kThreads + thread;
  }
  __device__ static int first_query() { return threadIdx.x / kThreads * kQueries; }

  __device__ void add(const T* value, int keys, int value_channels, int channels, bool whole,
                      const DenseShared<T>& shared) {
    float scales[kQueries];
#pragma unroll
    for (int q = 0; q < kQueries; ++q) scales[q] = shared.scales[first_query() + q];
#pragma unroll
    for (int q = 0; q < kQueries; ++q)
#pragma unroll
      for (int i = 0; i < kChannels; ++i) x[q][i] *= scales[q];
    for (int k = 0; k < keys; ++k, value += value_channels) {
      float v[kChannels];
#pragma unroll
      for (int i = 0; i < kChannels; i += kPack) {
        if (whole && channel(i, true) < channels) {
          const Pack<T> pack(value + channel(i, true));
#pragma unroll
          for (int j = 0; j < kPack; ++j) v[i + j] = pack.x[j];
        } else {
#pragma unroll
          for (int j = 0; j < kPack; ++j)
            v[i + j] = !whole && channel(i + j, false) < channels ? to_float(value[channel(i + j, false)]) : 0.0f;
        }
      }
      const float* weights = shared.weights[k] + first_query();
      const Pack<float> low = load_shared_pack(weights), high = load_shared_pack(weights + 4);
#pragma unroll
      for (int q = 0; q < kQueries; ++q)
#pragma unroll
        for (int i = 0; i < kChannels; ++i) x[q][i] += (q < 4 ? low.x[q % 4] : high.x[q % 4]) * v[i];
    }
  }

  // `attended` is the row of the block's first query, at the block's first channel.
  __device__ void write(T* attended, int queries, int value_channels, int channels, bool whole,
                        const DenseShared<T>& shared) const {
#pragma unroll
    for (int q = 0; q < kQueries; ++q) {
      if (first_query() + q >= queries) continue;
      const float scale = shared.scales[first_query() + q];
      T* row = attended + static_cast<int64_t>(first_query() + q) * value_channels;
#pragma unroll
      for (int i = 0; i < kChannels; i += kPack) {
        float pack[kPack];
#pragma unroll
        for (int j = 0; j < kPack; ++j) pack[j] = x[q][i + j] * scale;
        if (whole) {
          if (channel(i, true) < channels) store_pack(pack, row + channel(i, true));
        } else {
#pragma unroll
          for (int j = 0; j < kPack; ++j)
            if (channel(i + j, false) < channels) from_float(pack[j], row[channel(i + j, false)]);
        }
      }
    }
  }
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads, 2) attend_to_all(DynastDense p, DenseTensors<T> t) {
  __shared__ DenseShared<T> shared;
  const Team<32> warp;
  const int frame = blockIdx.z, first_query = blockIdx.x * kDenseQueries, first_channel = blockIdx.y * kDenseValues;
  const int queries = p.query_length - first_query < kDenseQueries ? p.query_length - first_query : kDenseQueries;
  const int left = p.value_channels - first_channel;
  const int channels = left < kDenseValues ? left : kDenseValues;
  const bool whole = rows_aligned<T>(p.value_channels);
  const int64_t query_row = static_cast<int64_t>(frame) * p.query_length + first_query;
  const int64_t key_row = p.exemplars == 1 ? 0 : static_cast<int64_t>(frame) * p.key_length;
  const float scale = 1.0f / p.temperature;
  const int own_query = threadIdx.x / 32 * kQueriesPerWarp;

  for (int i = threadIdx.x; i < kDenseQueries * kMaxTopK; i += kDenseThreads) {
    shared.best_logits[i / kMaxTopK][i % kMaxTopK] = kLowest;
    shared.best_keys[i / kMaxTopK][i % kMaxTopK] = 0;
  }
  if (threadIdx.x < kDenseQueries) shared.sums[threadIdx.x] = {kLowest, 0.0f, 0.0f};
  ValueSums<T> sums;
  for (int first = 0; first < p.key_length; first += kDenseKeys) {
    const int keys = p.key_length - first < kDenseKeys ? p.key_length - first : kDenseKeys;
    const int64_t row = key_row + first;
    dot_tile(t.query + query_row * p.channels, queries, t.key + row * p.channels, keys, p.channels, shared,
             shared.logits);
    dot_tile(t.query_prune + query_row * p.prune_channels, queries, t.key_prune + row * p.prune_channels, keys,
             p.prune_channels, shared, shared.prune_logits);
    __syncthreads();
    const bool exists = warp.lane < keys;
#pragma unroll
    for (int i = 0; i < kQueriesPerWarp; ++i) {
      const int q = own_query + i;
      const float logit = exists ? shared.logits[q][warp.lane] * scale : kLowest;
      const bool keep = is_kept(shared.prune_logits[q][warp.lane]);
      float earlier;
      offer(warp, logit, exists, first, p.top_k, shared.best_logits[q], shared.best_keys[q]);
      shared.weights[warp.lane][q] = add_keys(warp, shared.sums[q], logit, exists, keep, earlier);
      if (warp.lane == 0) shared.scales[q] = earlier;
    }
    __syncthreads();
    sums.add(t.value + row * p.value_channels + first_channel, keys, p.value_channels, channels, whole, shared);
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kQueriesPerWarp; ++i) {
    const int q = own_query + i;
    const float norm = 1.0f / shared.sums[q].total;
    if (warp.lane == 0) shared.scales[q] = norm;
    if (q >= queries || blockIdx.y > 0) continue;
    if (warp.lane == 0) from_float(shared.sums[q].kept * norm, t.confidence[query_row + q]);
    if (warp.lane < p.top_k) t.next_matches[(query_row + q) * p.top_k + warp.lane] = shared.best_keys[q][warp.lane];
  }
  __syncthreads();
  sums.write(t.attended + query_row * p.value_channels + first_channel, queries, p.value_channels, channels, whole,
             shared);
}

DYNAST_END
