// Runs a rendered frame's layers on random maps. Each tensor ends exactly where its memory ends.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "cpu/layers/kernels.h"

extern "C" int dynast_convolve_stride2(const DynastConvolution*, const DynastConvolutionForward*, const char*, int);
extern "C" int dynast_spade(const DynastSpade*, const char*, int);
extern "C" int dynast_instance_norm(const DynastInstanceNorm*, const char*, int);

// `between(low, high)` draws a number, `tensor(count)` floats.
template <class Between, class Tensor>
void run_frame_layers(const char* variant, Between between, Tensor tensor) {
  const auto expect = [](int failed) {
    if (failed) std::exit(1);
  };
  const int threads = between(1, 3), batch = between(1, 2), height = between(2, 20), width = between(2, 20);
  const int channels = between(2, 40), channels_out = between(1, 40);
  const int64_t pixels = int64_t{height} * width, numbers = batch * pixels * channels;
  const auto input = tensor(numbers), gamma = tensor(numbers), beta = tensor(numbers);

  const auto kernel = tensor(int64_t{9} * channels * channels_out), bias = tensor(channels_out);
  const auto halved = tensor(int64_t{batch} * ((height + 1) / 2) * ((width + 1) / 2) * channels_out);
  const DynastConvolution c = {batch, height, width, channels, channels_out, 1};
  const DynastConvolutionForward stride2 = {input.get(), kernel.get(), bias.get(), halved.get(), 0.1f};
  expect(dynast_convolve_stride2(&c, &stride2, variant, threads));

  const bool fused = between(0, 1) != 0;
  const auto attended = tensor(numbers), confidence = tensor(batch * pixels), z = tensor(numbers);
  const DynastSpade spade = {batch * pixels,
                             channels,
                             0.2f,
                             input.get(),
                             gamma.get(),
                             beta.get(),
                             fused ? attended.get() : nullptr,
                             fused ? confidence.get() : nullptr,
                             z.get()};
  expect(dynast_spade(&spade, variant, threads));

  const auto scale = tensor(channels), offset = tensor(channels);
  const DynastInstanceNorm norm = {batch, channels, pixels, 1e-5f, input.get(), scale.get(), offset.get(), z.get()};
  expect(dynast_instance_norm(&norm, variant, threads));
}
