// PReLU of a sum, and its gradients.
#pragma once

#include "cpu/layers/training_calls.h"
#include "cpu/simd/prelu.h"

DYNAST_BEGIN

inline void activate(const DynastActivation& call, const Parallel& parallel) {
  const float slope = *call.slope;
  const float *a = call.a, *b = call.b;
  parallel(kChunks, [&](int64_t chunk) {
    for_each_vector_of_chunk(
        call.count, chunk,
        [&](int64_t at) { store(call.output + at, prelu(b ? load(a + at) + load(b + at) : load(a + at), slope)); },
        [&](int64_t at, int n) {
          const Lanes x = b ? load_part(a + at, n) + load_part(b + at, n) : load_part(a + at, n);
          store_part(call.output + at, prelu(x, slope), n);
        });
  });
}

inline void activate_back(const DynastActivation& call, const Parallel& parallel) {
  const float slope = *call.slope;
  const float *a = call.a, *b = call.b;
  float slope_gradients[kChunks] = {};
  parallel(kChunks, [&](int64_t chunk) {
    Lanes slopes = {};
    const auto gradient = [&](Lanes x, Lanes g) {
      slopes += x > 0.0f ? broadcast(0.0f) : g * x;
      return prelu_gradient(x, slope, g);
    };
    for_each_vector_of_chunk(
        call.count, chunk,
        [&](int64_t at) {
          const Lanes x = b ? load(a + at) + load(b + at) : load(a + at);
          store(call.grad_sum + at, gradient(x, load(call.grad_output + at)));
        },
        [&](int64_t at, int n) {
          const Lanes x = b ? load_part(a + at, n) + load_part(b + at, n) : load_part(a + at, n);
          store_part(call.grad_sum + at, gradient(x, load_part(call.grad_output + at, n)), n);
        });
    slope_gradients[chunk] = reduce_sum(slopes);
  });
  *call.grad_slope = 0.0f;
  for (const float part : slope_gradients) *call.grad_slope += part;
}

DYNAST_END
