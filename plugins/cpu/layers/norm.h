// Norm of each channel over pixels in training with what follows it in the network, a residual sum and a PReLU, and its
// gradients.
#pragma once

#include <math.h>

#include "cpu/layers/activation.h"
#include "cpu/layers/training_calls.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

constexpr int kPixelShares = 32;  // of the pixels, each with sums of its own, whatever the threads
constexpr int kSumPixels = 64;    // pixels whose channels stay in the cache while vector after vector is summed

// totals[s * C + c] = the sum over all pixels of total s of channel c, of `kSums`. `term(at, c, part, sums)` adds a
// pixel's numbers to `sums[kSums]`; `at` is the place of its channel c. Few pixels are added up in floats.
template <int kSums, class Term>
inline void sum_channels(const DynastNorm& p, const Parallel& parallel, double* totals, Term term) {
  const int64_t row = int64_t{kSums} * p.channels;
  const Doubles shares(kPixelShares * row);
  parallel(kPixelShares, [&](int64_t share) {
    double* sums = shares.get() + share * row;
    for (int64_t i = 0; i < row; ++i) sums[i] = 0.0;
    const int64_t end = p.length * (share + 1) / kPixelShares;
    for (int64_t begin = p.length * share / kPixelShares; begin < end; begin += kSumPixels) {
      const int64_t last = begin + kSumPixels < end ? begin + kSumPixels : end;
      each_lanes(p.channels, [&](int c, auto part) {
        Lanes of_block[kSums] = {};
        for (int64_t pixel = begin; pixel < last; ++pixel) term(pixel * p.channels + c, c, part, of_block);
        const int count = p.channels - c < kLanes ? p.channels - c : kLanes;
        for (int s = 0; s < kSums; ++s)
          for (int i = 0; i < count; ++i) sums[s * p.channels + c + i] += static_cast<double>(of_block[s][i]);
      });
    }
  });
  for (int64_t i = 0; i < row; ++i) {
    totals[i] = 0.0;
    for (int share = 0; share < kPixelShares; ++share) totals[i] += shares.get()[share * row + i];
  }
}

// `body(at, c, part)` for every vector of channels of every pixel.
template <class Body>
inline void each_pixel(const DynastNorm& p, const Parallel& parallel, Body body) {
  parallel(kPixelShares, [&](int64_t share) {
    for (int64_t pixel = p.length * share / kPixelShares; pixel < p.length * (share + 1) / kPixelShares; ++pixel)
      each_lanes(p.channels, [&](int c, auto part) { body(pixel * p.channels + c, c, part); });
  });
}

template <class Part>
inline Lanes weights(const float* weight, int c, Part part) {
  return weight ? part.load_from(weight + c) : fill(1.0f);
}

template <class Part>
inline Lanes biases(const float* bias, int c, Part part) {
  return bias ? part.load_from(bias + c) : Lanes{};
}

inline void norm_of_part(const DynastNorm& p, const DynastNormForward& call, const Parallel& parallel) {
  const Doubles totals(p.channels);
  const double count = static_cast<double>(p.length);
  sum_channels<1>(p, parallel, totals.get(),
                  [&](int64_t at, int, auto part, Lanes* sums) { sums[0] += part.load_from(call.input + at); });
  for (int c = 0; c < p.channels; ++c) call.mean[c] = static_cast<float>(totals.get()[c] / count);
  sum_channels<1>(p, parallel, totals.get(), [&](int64_t at, int c, auto part, Lanes* sums) {
    const Lanes centred = part.load_from(call.input + at) - part.load_from(call.mean + c);
    sums[0] += centred * centred;
  });
  const float kept = p.momentum;
  for (int c = 0; c < p.channels; ++c) {
    const double variance = totals.get()[c] / count;
    call.scale[c] = static_cast<float>(1.0 / sqrt(variance + static_cast<double>(p.epsilon)));
    if (!call.running_mean) continue;
    const float unbiased = static_cast<float>(totals.get()[c] / (count - 1.0));
    call.running_mean[c] += kept * (call.mean[c] - call.running_mean[c]);
    call.running_variance[c] += kept * (unbiased - call.running_variance[c]);
  }
  const float slope = call.slope ? *call.slope : 1.0f;
  each_pixel(p, parallel, [&](int64_t at, int c, auto part) {
    const Lanes scale = part.load_from(call.scale + c) * weights(call.weight, c, part);
    const Lanes centred = part.load_from(call.input + at) - part.load_from(call.mean + c);
    Lanes z = centred * scale + biases(call.bias, c, part);
    if (call.residual) z += part.load_from(call.residual + at);
    part.store_to(call.output + at, rectified(z, slope));
  });
}

inline void norm(const DynastNorm& p, const DynastNormForward& call, const Parallel& parallel) {
  for (int64_t n = 0; n < p.parts; ++n) {
    const int64_t pixels = n * p.length * p.channels, channels = n * p.channels;
    DynastNormForward of_part = call;
    of_part.input += pixels;
    of_part.output += pixels;
    if (call.residual) of_part.residual += pixels;
    of_part.mean += channels;
    of_part.scale += channels;
    norm_of_part(p, of_part, parallel);
  }
}

inline void norm_back_of_part(const DynastNorm& p, const DynastNormBackward& call, const Parallel& parallel) {
  const float slope = call.slope ? *call.slope : 1.0f;
  // A pixel's normalised input, and the gradient of the sum before the PReLU; `slopes` is what the slope's gets.
  const auto gradients = [&](int64_t at, int c, auto part, Lanes& normed, Lanes& slopes) {
    normed = (part.load_from(call.input + at) - part.load_from(call.mean + c)) * part.load_from(call.scale + c);
    Lanes z = normed * weights(call.weight, c, part) + biases(call.bias, c, part);
    if (call.residual) z += part.load_from(call.residual + at);
    const Lanes g = part.load_from(call.grad_output + at);
    slopes = z > 0.0f ? fill(0.0f) : g * z;
    return rectified_back(z, slope, g);
  };
  const int channels = p.channels;
  const Doubles totals(int64_t{3} * channels);  // of the gradient, of its product with the normed input, of the slope
  sum_channels<3>(p, parallel, totals.get(), [&](int64_t at, int c, auto part, Lanes* sums) {
    Lanes normed, slopes;
    const Lanes g = gradients(at, c, part, normed, slopes);
    sums[0] += g;
    sums[1] += g * normed;
    sums[2] += slopes;
  });
  Floats means(int64_t{2} * channels);
  double of_slope = 0.0;
  for (int c = 0; c < channels; ++c) {
    if (call.grad_bias) call.grad_bias[c] = static_cast<float>(totals.get()[c]);
    if (call.grad_weight) call.grad_weight[c] = static_cast<float>(totals.get()[channels + c]);
    of_slope += totals.get()[2 * channels + c];
    means.get()[c] = static_cast<float>(totals.get()[c] / static_cast<double>(p.length));
    means.get()[channels + c] = static_cast<float>(totals.get()[channels + c] / static_cast<double>(p.length));
  }
  if (call.grad_slope) *call.grad_slope = static_cast<float>(of_slope);
  each_pixel(p, parallel, [&](int64_t at, int c, auto part) {
    Lanes normed, slopes;
    const Lanes g = gradients(at, c, part, normed, slopes);
    const Lanes centred = g - part.load_from(means.get() + c) - normed * part.load_from(means.get() + channels + c);
    part.store_to(call.grad_input + at, centred * part.load_from(call.scale + c) * weights(call.weight, c, part));
    if (call.grad_residual) part.store_to(call.grad_residual + at, g);
  });
}

inline void norm_back(const DynastNorm& p, const DynastNormBackward& call, const Parallel& parallel) {
  for (int64_t n = 0; n < p.parts; ++n) {
    const int64_t pixels = n * p.length * p.channels, channels = n * p.channels;
    DynastNormBackward of_part = call;
    of_part.input += pixels;
    of_part.grad_output += pixels;
    of_part.grad_input += pixels;
    if (call.residual) of_part.residual += pixels;
    if (call.grad_residual) of_part.grad_residual += pixels;
    of_part.mean += channels;
    of_part.scale += channels;
    norm_back_of_part(p, of_part, parallel);
  }
}

DYNAST_END
