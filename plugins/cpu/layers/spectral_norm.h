// A weight divided by its spectral norm, which one step of power iteration estimates; and the gradient.
#pragma once

#include <math.h>

#include "cpu/dispatch/parallel.h"
#include "cpu/layers/training_calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

constexpr int64_t kNumbersPerChunk = 32768;  // of a weight: enough work for one task

// `body(begin, end)` for chunks of 0 .. count - 1, where each index stands for `each` numbers.
template <class Body>
inline void for_each_chunk(int64_t count, int64_t each, const Parallel& parallel, Body body) {
  const int64_t chunks = (count * each + kNumbersPerChunk - 1) / kNumbersPerChunk;
  parallel(chunks, [&](int64_t chunk) { body(count * chunk / chunks, count * (chunk + 1) / chunks); });
}

inline float dot(const float* a, const float* b, int64_t count) {
  Lanes total = {};
  for_each_vector(static_cast<int>(count),
                  [&](int c, auto part) { total += part.load_from(a + c) * part.load_from(b + c); });
  return reduce_sum(total);
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
  for_each_chunk((columns + kLanes - 1) / kLanes, rows * kLanes, parallel, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kLanes, count = (end * kLanes < columns ? end * kLanes : columns) - first;
    for_each_vector(static_cast<int>(count), [&](int c, auto part) {
      Lanes total = {};
      for (int64_t r = 0; r < rows; ++r) total += call.u[r] * part.load_from(row(r) + first + c);
      part.store_to(call.v + first + c, total);
    });
  });
  to_unit(call.v, columns, p.epsilon);
  for_each_chunk(rows, columns, parallel, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) call.u[r] = dot(row(r), call.v, columns);
  });
  // The spectral norm u . W v is |W v| squared, divided by the number that W v was divided by.
  const float norm = to_unit(call.u, rows, p.epsilon);
  *call.sigma = norm > p.epsilon ? norm : norm * norm / p.epsilon;
  for_each_chunk(rows, columns, parallel, [&](int64_t begin, int64_t end) {
    const float scale = 1.0f / *call.sigma;
    for (int64_t i = begin * columns; i < end * columns; ++i) call.output[i] = call.weight[i] * scale;
  });
}

// u and v are constants here. The gradient of the norm is the product of gradient and output, and u v^T is its
// direction.
inline void spectral_norm_back(const DynastSpectralNorm& p, const DynastSpectralNormBackward& call,
                               const Parallel& parallel) {
  const int64_t columns = p.columns;
  const Floats products(p.rows);
  for_each_chunk(p.rows, columns, parallel, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      products.get()[r] = dot(call.grad_output + r * columns, call.output + r * columns, columns);
  });
  float along = 0.0f;
  for (int64_t r = 0; r < p.rows; ++r) along += products.get()[r];
  for_each_chunk(p.rows, columns, parallel, [&](int64_t begin, int64_t end) {
    const float scale = 1.0f / *call.sigma;
    for (int64_t r = begin; r < end; ++r) {
      const float scaled_u = along * call.u[r];
      for (int64_t c = 0; c < columns; ++c)
        call.grad_weight[r * columns + c] = (call.grad_output[r * columns + c] - scaled_u * call.v[c]) * scale;
    }
  });
}

DYNAST_END
