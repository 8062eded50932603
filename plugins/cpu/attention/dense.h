// Dense attention on the CPU: every key is a candidate of every query.
//
// One pass over the keys keeps a running softmax, a running sum of values and a running ranking. There is no matrix of
// all logits, so memory grows with the number of tokens and not with its square.
#pragma once

#include "cpu/attention/group.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

constexpr int kQueryBlock = 32;  // queries of a task, which read the keys together
constexpr int kKeyBlock = 64;    // keys of a step: small enough to stay in the cache for all queries of the block
constexpr int kTile = 4;         // queries, and keys, whose products are in registers at the same time

// `rows` of `channels` elements as floats, padded with zeros to whole vectors, so that products need no remainder loop.
template <class T>
inline void widen_rows(const T* from, int64_t rows, int channels, float* to) {
  const int padded = rounded_up(channels, kLanes);
  for (int64_t row = 0; row < rows; ++row, from += channels, to += padded) {
    int c = 0;
    for (; c + kLanes <= channels; c += kLanes) store(to + c, load(from + c));
    if (c < channels) store(to + c, load_part(from + c, channels - c));
  }
}

// products[q][k] = query q . key k for kTile queries and kTile keys, both padded.
inline void dot_tile(const float* queries, const float* keys, int padded, float* products, int stride) {
  Lanes sums[kTile][kTile] = {};
  for (int c = 0; c < padded; c += kLanes) {
    Lanes k[kTile];
    for (int j = 0; j < kTile; ++j) k[j] = load(keys + j * padded + c);
    for (int i = 0; i < kTile; ++i) {
      const Lanes q = load(queries + i * padded + c);
      for (int j = 0; j < kTile; ++j) sums[i][j] += q * k[j];
    }
  }
  for (int i = 0; i < kTile; ++i) {
    const Four row = sum4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
    memcpy(products + i * stride, &row, sizeof row);
  }
}

// attended[q] = attended[q] * scales[q] + sum of weights[q][k] * values[k] over all k, for kTile queries.
inline void add_values(const float* weights, const float* scales, const float* values, int padded, int keys,
                       float* attended) {
  constexpr int kWide = 4;
  for (int c = 0; c < padded; c += kWide * kLanes) {
    const int wide = padded - c < kWide * kLanes ? (padded - c) / kLanes : kWide;
    if (wide == kWide) {
      Lanes sums[kTile][kWide];
      for (int i = 0; i < kTile; ++i)
        for (int j = 0; j < kWide; ++j) sums[i][j] = load(attended + i * padded + c + j * kLanes) * scales[i];
      for (int k = 0; k < keys; ++k) {
        Lanes v[kWide];
        for (int j = 0; j < kWide; ++j) v[j] = load(values + k * padded + c + j * kLanes);
        for (int i = 0; i < kTile; ++i) {
          const Lanes weight = broadcast(weights[i * kKeyBlock + k]);
          for (int j = 0; j < kWide; ++j) sums[i][j] += weight * v[j];
        }
      }
      for (int i = 0; i < kTile; ++i)
        for (int j = 0; j < kWide; ++j) store(attended + i * padded + c + j * kLanes, sums[i][j]);
      continue;
    }
    for (int at = c; at < padded; at += kLanes) {
      Lanes sums[kTile];
      for (int i = 0; i < kTile; ++i) sums[i] = load(attended + i * padded + at) * scales[i];
      for (int k = 0; k < keys; ++k) {
        const Lanes v = load(values + k * padded + at);
        for (int i = 0; i < kTile; ++i) sums[i] += broadcast(weights[i * kKeyBlock + k]) * v;
      }
      for (int i = 0; i < kTile; ++i) store(attended + i * padded + at, sums[i]);
    }
  }
}

// The state of one query after some of the keys. Sums are of weights relative to exp(largest).
struct Running {
  float largest = -INFINITY;  // logit
  float total = 0.0f;
  float kept = 0.0f;
  Ranking ranking;

  // Replaces the logits of `count` keys, from key `first` on, by weights relative to exp(largest), or 0 for dropped
  // keys. Returns the factor for earlier sums.
  float add(float* logits, const float* prune_logits, int first, int count, int top_k) {
    float new_largest = largest;
    for (int k = 0; k < count; ++k) {
      ranking.offer(logits[k], first + k, top_k);
      new_largest = logits[k] > new_largest ? logits[k] : new_largest;
    }
    const float scale = largest == new_largest ? 1.0f : expf(largest - new_largest);
    largest = new_largest;
    Lanes all = {}, kept_total = {};
    for (int k = count; k < rounded_up(count, kLanes); ++k) logits[k] = -INFINITY;
    for (int k = 0; k < count; k += kLanes) {
      const Lanes weights = exp_nonpositive(load(logits + k) - largest);
      const Lanes kept_weights = is_kept(load(prune_logits + k)) ? weights : broadcast(0.0f);
      all += weights;
      kept_total += kept_weights;
      store(logits + k, kept_weights);
    }
    total = total * scale + reduce_sum(all);
    kept = kept * scale + reduce_sum(kept_total);
    return scale;
  }
};

// Floats that a task needs: padded queries and keys of both kinds, values, sums of values, and two blocks of logits.
inline int64_t dense_scratch(const DynastDense& p) {
  const int64_t both = rounded_up(p.channels, kLanes) + rounded_up(p.prune_channels, kLanes);
  const int64_t values = rounded_up(p.value_channels, kLanes);
  return (kQueryBlock + kKeyBlock) * (both + values) + 2 * kQueryBlock * kKeyBlock;
}

template <class T>
inline void dense_block(const DynastDense& p, const DynastDenseForward& call, int frame, int first_query,
                        float* scratch) {
  const int queries = p.query_length - first_query < kQueryBlock ? p.query_length - first_query : kQueryBlock;
  const int64_t query_row = static_cast<int64_t>(frame) * p.query_length + first_query;
  const int64_t key_row = p.exemplars == 1 ? 0 : static_cast<int64_t>(frame) * p.key_length;
  const int channels = rounded_up(p.channels, kLanes), prune_channels = rounded_up(p.prune_channels, kLanes);
  const int value_channels = rounded_up(p.value_channels, kLanes);
  const auto take = [&scratch](int64_t count) { return (scratch += count) - count; };
  float* query = take(kQueryBlock * channels);
  float* query_prune = take(kQueryBlock * prune_channels);
  float* attended = take(kQueryBlock * value_channels);
  float* key = take(kKeyBlock * channels);
  float* key_prune = take(kKeyBlock * prune_channels);
  float* value = take(kKeyBlock * value_channels);
  float* logits = take(kQueryBlock * kKeyBlock);
  float* prune_logits = take(kQueryBlock * kKeyBlock);

  // Rows beyond the last query or key of a block are zeros or left over from before. Their results are not used.
  memset(query, 0, static_cast<size_t>(attended - query + kQueryBlock * value_channels) * sizeof(float));
  memset(key, 0, static_cast<size_t>(logits - key) * sizeof(float));
  widen_rows(static_cast<const T*>(call.query) + query_row * p.channels, queries, p.channels, query);
  widen_rows(static_cast<const T*>(call.query_prune) + query_row * p.prune_channels, queries, p.prune_channels,
             query_prune);
  Running running[kQueryBlock];
  const float scale = 1.0f / p.temperature;
  for (int first = 0; first < p.key_length; first += kKeyBlock) {
    const int keys = p.key_length - first < kKeyBlock ? p.key_length - first : kKeyBlock;
    const int64_t row = key_row + first;
    widen_rows(static_cast<const T*>(call.key) + row * p.channels, keys, p.channels, key);
    widen_rows(static_cast<const T*>(call.key_prune) + row * p.prune_channels, keys, p.prune_channels, key_prune);
    widen_rows(static_cast<const T*>(call.value) + row * p.value_channels, keys, p.value_channels, value);
    for (int q = 0; q < queries; q += kTile) {
      for (int k = 0; k < keys; k += kTile) {
        const int at = q * kKeyBlock + k;
        dot_tile(query + q * channels, key + k * channels, channels, logits + at, kKeyBlock);
        dot_tile(query_prune + q * prune_channels, key_prune + k * prune_channels, prune_channels, prune_logits + at,
                 kKeyBlock);
      }
      float scales[kTile];
      for (int i = 0; i < kTile; ++i) {
        float* query_logits = logits + (q + i) * kKeyBlock;
        for (int k = 0; k < keys; ++k) query_logits[k] *= scale;
        scales[i] = running[q + i].add(query_logits, prune_logits + (q + i) * kKeyBlock, first, keys, p.top_k);
      }
      add_values(logits + q * kKeyBlock, scales, value, value_channels, keys, attended + q * value_channels);
    }
  }
  for (int q = 0; q < queries; ++q) {
    const float norm = 1.0f / running[q].total;
    const int64_t at = query_row + q;
    const float* from = attended + q * value_channels;
    T* to = static_cast<T*>(call.attended) + at * p.value_channels;
    int c = 0;
    for (; c + kLanes <= p.value_channels; c += kLanes) store(to + c, load(from + c) * norm);
    if (c < p.value_channels) store_part(to + c, load(from + c) * norm, p.value_channels - c);
    store_part(static_cast<T*>(call.confidence) + at, broadcast(running[q].kept * norm), 1);
    memcpy(call.next_matches + at * p.top_k, running[q].ranking.keys, p.top_k * sizeof(int32_t));
  }
}

template <class T>
inline void dense(const DynastDense& p, const DynastDenseForward& call, const Parallel& parallel) {
  const int64_t blocks = (p.query_length + kQueryBlock - 1) / kQueryBlock;
  parallel(p.frames * blocks, [&](int64_t task) {
    const Floats scratch(dense_scratch(p));
    const int frame = static_cast<int>(task / blocks);
    dense_block<T>(p, call, frame, static_cast<int>(task - frame * blocks) * kQueryBlock, scratch.get());
  });
}

DYNAST_END
