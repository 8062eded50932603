// PReLU with one slope for all channels, and its gradient.
#pragma once

#include "cpu/dispatch/parallel.h"
#include "cpu/simd/lanes.h"

DYNAST_BEGIN

inline Lanes prelu(Lanes x, float slope) { return x > 0.0f ? x : slope * x; }

// The gradient of the input. `output` may stand for the input: both have the same sign.
inline Lanes prelu_gradient(Lanes output, float slope, Lanes gradient) {
  return output > 0.0f ? gradient : slope * gradient;
}

// Arrays are cut into this many chunks whatever the number of threads, so that sums over them have one order.
constexpr int kChunks = 64;

// Of `count` numbers, for chunk number `chunk`: `whole(at)` for each whole vector and `rest(at, n)` for what is left.
template <class Whole, class Rest>
inline void for_each_vector_of_chunk(int64_t count, int64_t chunk, Whole whole, Rest rest) {
  int64_t at = count * chunk / kChunks;
  const int64_t end = count * (chunk + 1) / kChunks;
  for (; at + kLanes <= end; at += kLanes) whole(at);
  if (at < end) rest(at, static_cast<int>(end - at));
}

// The gradients of `count` inputs.
inline void prelu_gradients(int64_t count, const float* output, float slope, const float* grad_output, float* gradient,
                            const Parallel& parallel) {
  parallel(kChunks, [&](int64_t chunk) {
    for_each_vector_of_chunk(
        count, chunk,
        [&](int64_t at) { store(gradient + at, prelu_gradient(load(output + at), slope, load(grad_output + at))); },
        [&](int64_t at, int n) {
          store_part(gradient + at, prelu_gradient(load_part(output + at, n), slope, load_part(grad_output + at, n)),
                     n);
        });
  });
}

DYNAST_END
