// The transforms of Winograd's 3x3 convolution, F(4x4, 3x3): 36 multiplications for a tile of 4x4 outputs, where direct
// convolution needs 144.
//
// In one dimension: four neighbouring outputs y of a kernel of three taps g depend on six inputs d. Take g and y as the
// coefficients of polynomials. Their product has degree 5, so its values at six points determine it, and its value at
// a point is the value of g times that of y: six multiplications. A convolution is the transpose of such a product,
// which exchanges the roles and needs as many multiplications:
//
//   y = A^T ((G g) * (B^T d))      G [6, 3], A [6, 4]: values of a polynomial at the points; B [6, 6]: interpolation
//
// In two dimensions each matrix is applied to the columns and then to the rows, and `*` multiplies 6x6 numbers. A
// convolution sums products over its input channels. That sum can be taken before A^T, so for each of the 36 positions
// it is one matrix product, [tiles, inputs] x [inputs, outputs] (Lavin and Gray, CVPR 2016). All three steps are
// linear, so the gradients are the same steps transposed: a tile's gradient dy becomes A dy A^T; its product with the
// transformed kernel is the gradient of B^T d B, and its product with B^T d B is the gradient of G g G^T.
//
// The points are 0, +-5/8, +-3/2 and infinity (where the value is the leading coefficient). Rounding errors grow with
// the points' powers and with their closeness: with the common 0, +-1, +-2 they are twice as large (Barabasz et al.,
// ACM Transactions on Mathematical Software 2020, on choosing points). Powers of these points are exact in float32.
#pragma once

#include "cpu/simd/lanes.h"

DYNAST_BEGIN

constexpr int kTile = 4;                 // outputs of a tile along each side
constexpr int kSide = 6;                 // inputs of a tile, and points, along each side
constexpr int kPositions = 36;           // points of a tile, kSide * kSide
constexpr float kP = 0.625f, kQ = 1.5f;  // the points are 0, kP, -kP, kQ, -kQ, infinity
constexpr float kP2 = kP * kP, kQ2 = kQ * kQ;

// B^T: the coefficients of prod (x - point) over the other points, applied to d.
struct InputAtPoints {
  static constexpr int kIn = kSide, kOut = kSide;
  void operator()(const Lanes* d, Lanes* v) const {
    const Lanes even_p = d[4] - kQ2 * d[2], odd_p = kP * (d[3] - kQ2 * d[1]);
    const Lanes even_q = d[4] - kP2 * d[2], odd_q = kQ * (d[3] - kP2 * d[1]);
    v[0] = d[4] - (kP2 + kQ2) * d[2] + kP2 * kQ2 * d[0];
    v[1] = even_p + odd_p;
    v[2] = even_p - odd_p;
    v[3] = even_q + odd_q;
    v[4] = even_q - odd_q;
    v[5] = d[5] - (kP2 + kQ2) * d[3] + kP2 * kQ2 * d[1];
  }
};

// B, the transpose of that.
struct InputFromPoints {
  static constexpr int kIn = kSide, kOut = kSide;
  void operator()(const Lanes* v, Lanes* d) const {
    const Lanes even_p = v[1] + v[2], odd_p = kP * (v[1] - v[2]);
    const Lanes even_q = v[3] + v[4], odd_q = kQ * (v[3] - v[4]);
    d[0] = kP2 * kQ2 * v[0];
    d[1] = kP2 * kQ2 * v[5] - kQ2 * odd_p - kP2 * odd_q;
    d[2] = -(kP2 + kQ2) * v[0] - kQ2 * even_p - kP2 * even_q;
    d[3] = odd_p + odd_q - (kP2 + kQ2) * v[5];
    d[4] = v[0] + even_p + even_q;
    d[5] = v[5];
  }
};

// A^T.
struct OutputFromPoints {
  static constexpr int kIn = kSide, kOut = kTile;
  void operator()(const Lanes* m, Lanes* y) const {
    const Lanes even_p = m[1] + m[2], odd_p = kP * (m[1] - m[2]);
    const Lanes even_q = m[3] + m[4], odd_q = kQ * (m[3] - m[4]);
    y[0] = m[0] + even_p + even_q;
    y[1] = odd_p + odd_q;
    y[2] = kP2 * even_p + kQ2 * even_q;
    y[3] = kP2 * odd_p + kQ2 * odd_q + m[5];
  }
};

// A: the values of the polynomial with the coefficients y.
struct OutputAtPoints {
  static constexpr int kIn = kTile, kOut = kSide;
  void operator()(const Lanes* y, Lanes* m) const {
    const Lanes even_p = y[0] + kP2 * y[2], odd_p = kP * (y[1] + kP2 * y[3]);
    const Lanes even_q = y[0] + kQ2 * y[2], odd_q = kQ * (y[1] + kQ2 * y[3]);
    m[0] = y[0];
    m[1] = even_p + odd_p;
    m[2] = even_p - odd_p;
    m[3] = even_q + odd_q;
    m[4] = even_q - odd_q;
    m[5] = y[3];
  }
};

// Interpolation divides by prod (point - other) over the other points; that factor is part of G.
constexpr float kAt0 = 1.0f / (kP2 * kQ2), kAtP = 0.5f / (kP2 * (kP2 - kQ2)), kAtQ = 0.5f / (kQ2 * (kQ2 - kP2));

// G.
struct KernelAtPoints {
  static constexpr int kIn = 3, kOut = kSide;
  void operator()(const Lanes* g, Lanes* u) const {
    const Lanes even_p = kAtP * g[0] + kAtP * kP2 * g[2], odd_p = kAtP * kP * g[1];
    const Lanes even_q = kAtQ * g[0] + kAtQ * kQ2 * g[2], odd_q = kAtQ * kQ * g[1];
    u[0] = kAt0 * g[0];
    u[1] = even_p + odd_p;
    u[2] = even_p - odd_p;
    u[3] = even_q + odd_q;
    u[4] = even_q - odd_q;
    u[5] = g[2];
  }
};

// G^T.
struct KernelFromPoints {
  static constexpr int kIn = kSide, kOut = 3;
  void operator()(const Lanes* u, Lanes* g) const {
    const Lanes even_p = kAtP * (u[1] + u[2]), even_q = kAtQ * (u[3] + u[4]);
    g[0] = kAt0 * u[0] + even_p + even_q;
    g[1] = kAtP * kP * (u[1] - u[2]) + kAtQ * kQ * (u[3] - u[4]);
    g[2] = kP2 * even_p + kQ2 * even_q + u[5];
  }
};

// A transform in both dimensions, for one vector of channels: reads `at(row, column)`, writes `put(row, column,
// lanes)`.
template <class Transform, class At, class Put>
__attribute__((always_inline)) inline void transform(At at, Put put) {
  constexpr int kIn = Transform::kIn, kOut = Transform::kOut;
  Lanes half[kOut][kIn];
#pragma GCC unroll 6
  for (int j = 0; j < kIn; ++j) {
    Lanes column[kIn], points[kOut];
    for (int i = 0; i < kIn; ++i) column[i] = at(i, j);
    Transform()(column, points);
    for (int i = 0; i < kOut; ++i) half[i][j] = points[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kOut; ++i) {
    Lanes row[kOut];
    Transform()(half[i], row);
    for (int j = 0; j < kOut; ++j) put(i, j, row[j]);
  }
}

DYNAST_END
