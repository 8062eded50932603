// PReLU with one slope, of a sum and of a convolution.
#pragma once

#include "cpu/layers/training_calls.h"
#include "cpu/simd/lanes.h"

DYNAST_BEGIN

constexpr int kShares = 64;  // of the numbers; each has a part of the slope's gradient, whatever the threads

// `whole(at)` for each whole vector and `rest(at, count)` for what is left, of the `part`-th share of `count` numbers.
template <class Vector, class Rest>
inline void each_vector(int64_t count, int64_t part, Vector whole, Rest rest) {
  int64_t at = count * part / kShares;
  const int64_t end = count * (part + 1) / kShares;
  for (; at + kLanes <= end; at += kLanes) whole(at);
  if (at < end) rest(at, static_cast<int>(end - at));
}

inline Lanes rectified(Lanes x, float slope) { return x > 0.0f ? x : slope * x; }

// The gradient of what became `output`, from that of the output, whose sign it has.
inline Lanes rectified_back(Lanes output, float slope, Lanes gradient) {
  return output > 0.0f ? gradient : slope * gradient;
}

// The same of `count` numbers.
inline void rectify_back(int64_t count, const float* output, float slope, const float* grad_output, float* gradient,
                         const Parallel& parallel) {
  parallel(kShares, [&](int64_t part) {
    each_vector(
        count, part,
        [&](int64_t at) { store(gradient + at, rectified_back(load(output + at), slope, load(grad_output + at))); },
        [&](int64_t at, int n) {
          store_part(gradient + at, rectified_back(load_part(output + at, n), slope, load_part(grad_output + at, n)),
                     n);
        });
  });
}

inline void activate(const DynastActivation& call, const Parallel& parallel) {
  const float slope = *call.slope;
  const float *a = call.a, *b = call.b;
  parallel(kShares, [&](int64_t part) {
    each_vector(
        call.count, part,
        [&](int64_t at) { store(call.output + at, rectified(b ? load(a + at) + load(b + at) : load(a + at), slope)); },
        [&](int64_t at, int n) {
          const Lanes x = b ? load_part(a + at, n) + load_part(b + at, n) : load_part(a + at, n);
          store_part(call.output + at, rectified(x, slope), n);
        });
  });
}

inline void activate_back(const DynastActivation& call, const Parallel& parallel) {
  const float slope = *call.slope;
  const float *a = call.a, *b = call.b;
  float of_slope[kShares] = {};
  parallel(kShares, [&](int64_t part) {
    Lanes slopes = {};
    const auto gradient = [&](Lanes x, Lanes g) {
      slopes += x > 0.0f ? fill(0.0f) : g * x;
      return rectified_back(x, slope, g);
    };
    each_vector(
        call.count, part,
        [&](int64_t at) {
          const Lanes x = b ? load(a + at) + load(b + at) : load(a + at);
          store(call.grad_sum + at, gradient(x, load(call.grad_output + at)));
        },
        [&](int64_t at, int n) {
          const Lanes x = b ? load_part(a + at, n) + load_part(b + at, n) : load_part(a + at, n);
          store_part(call.grad_sum + at, gradient(x, load_part(call.grad_output + at, n)), n);
        });
    of_slope[part] = sum(slopes);
  });
  *call.grad_slope = 0.0f;
  for (const float part : of_slope) *call.grad_slope += part;
}

DYNAST_END
