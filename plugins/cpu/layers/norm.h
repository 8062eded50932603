// Normalization of each channel over pixels in training, together with the residual sum and the PReLU that follow it in
// the network; and the gradients.
#pragma once

#include <math.h>

#include "cpu/layers/training_calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/prelu.h"

DYNAST_BEGIN

constexpr int kPixelChunks = 32;  // of the pixels, with sums each, whatever the number of threads
constexpr int kSumPixels = 64;    // pixels that stay in the cache while their channels are summed, vector by vector

// kSums sums over all pixels for each channel: totals[s * C + c]. `term(at, c, part, sums)` adds one pixel's numbers to
// `sums[kSums]`; `at` is the index of its channel c. Sums of kSumPixels pixels are float, their totals double.
template <int kSums, class Term>
inline void sum_channels(const DynastNorm& p, const Parallel& parallel, double* totals, Term term) {
  const int64_t row = int64_t{kSums} * p.channels;
  const Doubles chunks(kPixelChunks * row);
  parallel(kPixelChunks, [&](int64_t chunk) {
    double* sums = chunks.get() + chunk * row;
    for (int64_t i = 0; i < row; ++i) sums[i] = 0.0;
    const int64_t end = p.length * (chunk + 1) / kPixelChunks;
    for (int64_t begin = p.length * chunk / kPixelChunks; begin < end; begin += kSumPixels) {
      const int64_t last = begin + kSumPixels < end ? begin + kSumPixels : end;
      for_each_vector(p.channels, [&](int c, auto part) {
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
    for (int chunk = 0; chunk < kPixelChunks; ++chunk) totals[i] += chunks.get()[chunk * row + i];
  }
}

// `body(at, c, part)` for every vector of channels of every pixel.
template <class Body>
inline void for_each_pixel(const DynastNorm& p, const Parallel& parallel, Body body) {
  parallel(kPixelChunks, [&](int64_t chunk) {
    for (int64_t pixel = p.length * chunk / kPixelChunks; pixel < p.length * (chunk + 1) / kPixelChunks; ++pixel)
      for_each_vector(p.channels, [&](int c, auto part) { body(pixel * p.channels + c, c, part); });
  });
}

template <class Part>
inline Lanes weights(const float* weight, int c, Part part) {
  return weight ? part.load_from(weight + c) : broadcast(1.0f);
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
  for_each_pixel(p, parallel, [&](int64_t at, int c, auto part) {
    const Lanes scale = part.load_from(call.scale + c) * weights(call.weight, c, part);
    const Lanes centred = part.load_from(call.input + at) - part.load_from(call.mean + c);
    Lanes z = centred * scale + biases(call.bias, c, part);
    if (call.residual) z += part.load_from(call.residual + at);
    part.store_to(call.output + at, prelu(z, slope));
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
  // Returns the gradient of one pixel's sum before the PReLU. `normed` is its normalized input, and `slopes` what it
  // adds to the gradient of the slope.
  const auto gradients = [&](int64_t at, int c, auto part, Lanes& normed, Lanes& slopes) {
    normed = (part.load_from(call.input + at) - part.load_from(call.mean + c)) * part.load_from(call.scale + c);
    Lanes z = normed * weights(call.weight, c, part) + biases(call.bias, c, part);
    if (call.residual) z += part.load_from(call.residual + at);
    const Lanes g = part.load_from(call.grad_output + at);
    slopes = z > 0.0f ? broadcast(0.0f) : g * z;
    return prelu_gradient(z, slope, g);
  };
  const int channels = p.channels;
  const Doubles totals(int64_t{3} * channels);  // gradient, gradient times normalized input, gradient of the slope
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
  for_each_pixel(p, parallel, [&](int64_t at, int c, auto part) {
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
