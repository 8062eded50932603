// A weight divided by its spectral norm, as a step of power iteration estimates it, and the gradient.
#pragma once

#include <math.h>

#include "cpu/layers/training_calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

constexpr int64_t kNumbersPerShare = 32768;  // of a weight, of which a task has enough

// `body(begin, end)` for shares of 0 .. count - 1, of which each stands for `each` numbers.
template <class Body>
inline void in_shares(int64_t count, int64_t each, const Parallel& parallel, Body body) {
  const int64_t shares = (count * each + kNumbersPerShare - 1) / kNumbersPerShare;
  parallel(shares, [&](int64_t share) { body(count * share / shares, count * (share + 1) / shares); });
}

inline float dot(const float* a, const float* b, int64_t count) {
  Lanes total = {};
  each_lanes(static_cast<int>(count),
             [&](int c, auto part) { total += part.load_from(a + c) * part.load_from(b + c); });
  return sum(total);
}

// In place: `numbers` divided by their Euclidean norm, at least epsilon. Returns the norm.
inline float to_unit(float* numbers, int64_t count, float epsilon) {
  const float norm = sqrtf(dot(numbers, numbers, count)), scale = 1.0f / (norm > epsilon ? norm : epsilon);
  for (int64_t i = 0; i < count; ++i) numbers[i] *= scale;
  return norm;
}

inline void spectral_norm(const DynastSpectralNorm& p, const DynastSpectralNormForward& call,
                          const Parallel& parallel) {
  const int64_t rows = p.rows, columns = p.columns;
  const auto row = [&](int64_t r) { return call.weight + r * columns; };
  in_shares((columns + kLanes - 1) / kLanes, rows * kLanes, parallel, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kLanes, count = (end * kLanes < columns ? end * kLanes : columns) - first;
    each_lanes(static_cast<int>(count), [&](int c, auto part) {
      Lanes total = {};
      for (int64_t r = 0; r < rows; ++r) total += call.u[r] * part.load_from(row(r) + first + c);
      part.store_to(call.v + first + c, total);
    });
  });
  to_unit(call.v, columns, p.epsilon);
  in_shares(rows, columns, parallel, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) call.u[r] = dot(row(r), call.v, columns);
  });
  // The spectral norm u . W v is the square of |W v| over the number that makes a unit of it.
  const float norm = to_unit(call.u, rows, p.epsilon);
  *call.sigma = norm > p.epsilon ? norm : norm * norm / p.epsilon;
  in_shares(rows, columns, parallel, [&](int64_t begin, int64_t end) {
    const float scale = 1.0f / *call.sigma;
    for (int64_t i = begin * columns; i < end * columns; ++i) call.output[i] = call.weight[i] * scale;
  });
}

// u and v count as constants: what the norm gets is the gradient along the output, and it passes that on along u v^T.
inline void spectral_norm_back(const DynastSpectralNorm& p, const DynastSpectralNormBackward& call,
                               const Parallel& parallel) {
  const int64_t columns = p.columns;
  const Floats products(p.rows);
  in_shares(p.rows, columns, parallel, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      products.get()[r] = dot(call.grad_output + r * columns, call.output + r * columns, columns);
  });
  float along = 0.0f;
  for (int64_t r = 0; r < p.rows; ++r) along += products.get()[r];
  in_shares(p.rows, columns, parallel, [&](int64_t begin, int64_t end) {
    const float scale = 1.0f / *call.sigma;
    for (int64_t r = begin; r < end; ++r) {
      const float share = along * call.u[r];
      for (int64_t c = 0; c < columns; ++c)
        call.grad_weight[r * columns + c] = (call.grad_output[r * columns + c] - share * call.v[c]) * scale;
    }
  });
}

DYNAST_END
