// Runs the training layers on random maps. Each tensor ends exactly where its memory ends.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "cpu/layers/kernels.h"

extern "C" int dynast_convolve(const DynastConvolution*, const DynastConvolutionForward*, const char*, int, char*, int);
extern "C" int dynast_convolve_back(const DynastConvolution*, const DynastConvolutionBackward*, const char*, int, char*,
                                    int);
extern "C" int dynast_modulate(const DynastModulation*, const DynastModulationForward*, const char*, int, char*, int);
extern "C" int dynast_modulate_back(const DynastModulation*, const DynastModulationBackward*, const char*, int, char*,
                                    int);
extern "C" int dynast_unit_tokens(const DynastUnitTokens*, const DynastUnitTokensForward*, const char*, int, char*,
                                  int);
extern "C" int dynast_unit_tokens_back(const DynastUnitTokens*, const DynastUnitTokensBackward*, const char*, int,
                                       char*, int);
extern "C" int dynast_project(const DynastProjections*, const DynastProjectionsForward*, const char*, int, char*, int);
extern "C" int dynast_project_back(const DynastProjections*, const DynastProjectionsBackward*, const char*, int, char*,
                                   int);
extern "C" int dynast_norm(const DynastNorm*, const DynastNormForward*, const char*, int, char*, int);
extern "C" int dynast_norm_back(const DynastNorm*, const DynastNormBackward*, const char*, int, char*, int);
extern "C" int dynast_activate(const DynastActivation*, const char*, int, char*, int);
extern "C" int dynast_spectral_norm(const DynastSpectralNorm*, const DynastSpectralNormForward*, const char*, int,
                                    char*, int);
extern "C" int dynast_spectral_norm_back(const DynastSpectralNorm*, const DynastSpectralNormBackward*, const char*, int,
                                         char*, int);
extern "C" int dynast_upsample(const DynastUpsampling*, const char*, int, char*, int);
extern "C" int dynast_upsample_back(const DynastUpsampling*, const char*, int, char*, int);

// `between(low, high)` draws a number, `tensor(count)` floats.
template <class Between, class Tensor>
void run_training_layers(const char* variant, Between between, Tensor tensor) {
  char message[256] = "";
  const auto expect = [&](int failed) {
    if (!failed) return;
    std::printf("refused: %s\n", message);
    std::exit(1);
  };
  const int threads = between(1, 3), size = sizeof message;
  const DynastConvolution c = {between(1, 2),  between(2, 20), between(2, 150),
                               between(1, 20), between(1, 40), between(1, 2)};
  const int64_t pixels = int64_t{c.batch} * c.height * c.width, taps = int64_t{9} * c.channels_in * c.channels_out;
  const int64_t kept =
      int64_t{c.batch} * ((c.height + c.stride - 1) / c.stride) * ((c.width + c.stride - 1) / c.stride);
  const auto input = tensor(pixels * c.channels_in), grad_input = tensor(pixels * c.channels_in);
  const auto kernel = tensor(taps), grad_kernel = tensor(taps);
  const auto bias = tensor(c.channels_out), grad_bias = tensor(c.channels_out);
  const auto output = tensor(kept * c.channels_out), grad_output = tensor(kept * c.channels_out);
  const float leak = static_cast<float>(between(0, 1));
  const DynastConvolutionForward forward = {input.get(), kernel.get(), bias.get(), output.get(), leak};
  expect(dynast_convolve(&c, &forward, variant, threads, message, size));
  const DynastConvolutionBackward backward = {
      input.get(),     kernel.get(), grad_output.get(), grad_input.get(), grad_kernel.get(),
      grad_bias.get(), leak,         output.get()};
  expect(dynast_convolve_back(&c, &backward, variant, threads, message, size));

  const DynastModulation m = {between(1, 300), between(2, 40)};
  const int64_t numbers = m.length * m.channels;
  const auto x = tensor(numbers), modulation = tensor(2 * numbers), slope = tensor(1), y = tensor(numbers);
  const auto attended = tensor(numbers), confidence = tensor(m.length), grad_y = tensor(numbers);
  const auto grad_x = tensor(numbers), grad_modulation = tensor(2 * numbers), grad_slope = tensor(1);
  const auto grad_attended = tensor(numbers), grad_confidence = tensor(m.length);
  const bool fused = between(0, 1) != 0;
  const DynastModulationForward modulate = {x.get(),
                                            modulation.get(),
                                            fused ? nullptr : slope.get(),
                                            fused ? attended.get() : nullptr,
                                            fused ? confidence.get() : nullptr,
                                            y.get()};
  expect(dynast_modulate(&m, &modulate, variant, threads, message, size));
  const DynastModulationBackward modulate_back = {x.get(),
                                                  modulation.get(),
                                                  modulate.slope,
                                                  modulate.attended,
                                                  modulate.confidence,
                                                  grad_y.get(),
                                                  grad_x.get(),
                                                  grad_modulation.get(),
                                                  fused ? nullptr : grad_slope.get(),
                                                  fused ? grad_attended.get() : nullptr,
                                                  fused ? grad_confidence.get() : nullptr};
  expect(dynast_modulate_back(&m, &modulate_back, variant, threads, message, size));

  DynastActivation activation = {numbers, x.get(), fused ? attended.get() : nullptr, slope.get(), nullptr, y.get(),
                                 nullptr, nullptr};
  expect(dynast_activate(&activation, variant, threads, message, size));
  activation = {numbers, x.get(), activation.b, slope.get(), grad_y.get(), nullptr, grad_x.get(), grad_slope.get()};
  expect(dynast_activate(&activation, variant, threads, message, size));

  const DynastUnitTokens u = {between(1, 300), between(1, 3), between(1, 40), between(1, 20)};
  const int64_t width = u.channels + u.pos_channels, features = u.batch * u.length * u.channels;
  const auto feature = tensor(features), pos = tensor(u.length * u.pos_channels);
  const auto tokens = tensor(u.batch * u.length * width), grad_tokens = tensor(u.batch * u.length * width);
  const auto grad_feature = tensor(features), grad_pos = tensor(u.length * u.pos_channels);
  const DynastUnitTokensForward unit = {feature.get(), pos.get(), tokens.get()};
  expect(dynast_unit_tokens(&u, &unit, variant, threads, message, size));
  const DynastUnitTokensBackward unit_back = {feature.get(), grad_tokens.get(), grad_feature.get(), grad_pos.get()};
  expect(dynast_unit_tokens_back(&u, &unit_back, variant, threads, message, size));

  const DynastProjections p = {between(1, 2500), between(1, 70), {between(1, 70), between(0, 40)}};
  const int64_t outputs[2] = {p.length * p.channels_out[0], p.length * p.channels_out[1]};
  const int64_t weights[2] = {p.channels_in * p.channels_out[0], p.channels_in * p.channels_out[1]};
  const auto token = tensor(p.length * p.channels_in), grad_token = tensor(p.length * p.channels_in);
  const auto kernel_a = tensor(weights[0]), kernel_b = tensor(weights[1]);
  const auto grad_kernel_a = tensor(weights[0]), grad_kernel_b = tensor(weights[1]);
  const auto bias_a = tensor(p.channels_out[0]), bias_b = tensor(p.channels_out[1]);
  const auto grad_bias_a = tensor(p.channels_out[0]), grad_bias_b = tensor(p.channels_out[1]);
  const auto output_a = tensor(outputs[0]), output_b = tensor(outputs[1]);
  const auto grad_output_a = tensor(outputs[0]), grad_output_b = tensor(outputs[1]);
  const DynastProjectionsForward project = {
      token.get(), {kernel_a.get(), kernel_b.get()}, {bias_a.get(), bias_b.get()}, {output_a.get(), output_b.get()}};
  expect(dynast_project(&p, &project, variant, threads, message, size));
  const DynastProjectionsBackward project_back = {
      token.get(),      {kernel_a.get(), kernel_b.get()},           {grad_output_a.get(), grad_output_b.get()},
      grad_token.get(), {grad_kernel_a.get(), grad_kernel_b.get()}, {grad_bias_a.get(), grad_bias_b.get()}};
  expect(dynast_project_back(&p, &project_back, variant, threads, message, size));

  const DynastNorm n = {between(2, 700), between(1, 3), between(1, 40), 1e-5f, 0.1f};
  const int64_t all = n.parts * n.length * n.channels;
  const auto map = tensor(all), residual = tensor(all), normed = tensor(all), grad_normed = tensor(all);
  const auto grad_map = tensor(all), grad_residual = tensor(all);
  const auto scaled = tensor(n.channels), shifted = tensor(n.channels), running = tensor(2 * n.channels);
  const auto grad_scaled = tensor(n.channels), grad_shifted = tensor(n.channels);
  const auto mean = tensor(n.parts * n.channels), scale = tensor(n.parts * n.channels);
  const bool plain = n.parts > 1;
  const DynastNormForward norm = {map.get(),
                                  plain ? nullptr : residual.get(),
                                  plain ? nullptr : scaled.get(),
                                  plain ? nullptr : shifted.get(),
                                  plain ? nullptr : slope.get(),
                                  plain ? nullptr : running.get(),
                                  plain ? nullptr : running.get() + n.channels,
                                  normed.get(),
                                  mean.get(),
                                  scale.get()};
  expect(dynast_norm(&n, &norm, variant, threads, message, size));
  const DynastNormBackward norm_back = {map.get(),
                                        norm.residual,
                                        norm.weight,
                                        norm.bias,
                                        norm.slope,
                                        mean.get(),
                                        scale.get(),
                                        grad_normed.get(),
                                        grad_map.get(),
                                        plain ? nullptr : grad_residual.get(),
                                        plain ? nullptr : grad_scaled.get(),
                                        plain ? nullptr : grad_shifted.get(),
                                        plain ? nullptr : grad_slope.get()};
  expect(dynast_norm_back(&n, &norm_back, variant, threads, message, size));

  const DynastSpectralNorm w = {between(1, 90), between(1, 900), 1e-12f};
  const auto raw = tensor(w.rows * w.columns), unit_norm = tensor(w.rows * w.columns), sigma = tensor(1);
  const auto left = tensor(w.rows), right = tensor(w.columns);
  const auto grad_raw = tensor(w.rows * w.columns), grad_unit = tensor(w.rows * w.columns);
  const DynastSpectralNormForward spectral = {raw.get(), left.get(), right.get(), unit_norm.get(), sigma.get()};
  expect(dynast_spectral_norm(&w, &spectral, variant, threads, message, size));
  const DynastSpectralNormBackward spectral_back = {unit_norm.get(), left.get(),      right.get(),
                                                    sigma.get(),     grad_unit.get(), grad_raw.get()};
  expect(dynast_spectral_norm_back(&w, &spectral_back, variant, threads, message, size));

  const DynastUpsampling s = {between(1, 2), between(1, 20), between(1, 20), between(1, 40), nullptr, nullptr};
  const int64_t small = int64_t{s.batch} * s.height * s.width * s.channels;
  const auto low = tensor(small), high = tensor(4 * small);
  const DynastUpsampling upsample = {s.batch, s.height, s.width, s.channels, low.get(), high.get()};
  expect(dynast_upsample(&upsample, variant, threads, message, size));
  const DynastUpsampling upsample_back = {s.batch, s.height, s.width, s.channels, high.get(), low.get()};
  expect(dynast_upsample_back(&upsample_back, variant, threads, message, size));
}

// Runs a convolution whose kernel is so large compared with its maps that it is computed panel by panel.
template <class Between, class Tensor>
void run_large_kernel(const char* variant, Between between, Tensor tensor) {
  const DynastConvolution c = {between(1, 2), between(2, 6), between(2, 6), 75, 70, between(1, 2)};
  const int64_t pixels = int64_t{c.batch} * c.height * c.width;
  const auto input = tensor(pixels * c.channels_in), grad_input = tensor(pixels * c.channels_in);
  const auto output = tensor(pixels * c.channels_out), grad_output = tensor(pixels * c.channels_out);
  const auto kernel = tensor(9 * 75 * 70), grad_kernel = tensor(9 * 75 * 70), bias = tensor(70), grad_bias = tensor(70);
  char message[256] = "";
  const DynastConvolutionForward forward = {input.get(), kernel.get(), bias.get(), output.get(), 0.0f};
  const DynastConvolutionBackward backward = {
      input.get(),     kernel.get(), grad_output.get(), grad_input.get(), grad_kernel.get(),
      grad_bias.get(), 0.0f,         output.get()};
  if (dynast_convolve(&c, &forward, variant, 2, message, sizeof message)) std::exit(1);
  if (dynast_convolve_back(&c, &backward, variant, 2, message, sizeof message)) std::exit(1);
}
