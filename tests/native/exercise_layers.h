// The training layers on random maps whose tensors end exactly where their memory does.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "cpu/layer_calls.h"

extern "C" int dynast_convolve(const DynastConvolution*, const DynastConvolutionForward*, const char*, int, char*, int);
extern "C" int dynast_convolve_back(const DynastConvolution*, const DynastConvolutionBackward*, const char*, int, char*,
                                    int);
extern "C" int dynast_modulate(const DynastModulation*, const DynastModulationForward*, const char*, int, char*, int);
extern "C" int dynast_modulate_back(const DynastModulation*, const DynastModulationBackward*, const char*, int, char*,
                                    int);
extern "C" int dynast_activate(const DynastActivation*, const char*, int, char*, int);

// `between(low, high)` and `tensor(count)` draw a number and floats.
template <class Between, class Tensor>
void run_layers(const char* variant, Between between, Tensor tensor) {
  char message[256] = "";
  const auto expect = [&](int failed) {
    if (!failed) return;
    std::printf("refused: %s\n", message);
    std::exit(1);
  };
  const int threads = between(1, 3), size = sizeof message;
  const DynastConvolution c = {between(1, 2), between(2, 20), between(2, 150), between(1, 20), between(1, 40)};
  const int64_t pixels = int64_t{c.batch} * c.height * c.width, taps = int64_t{9} * c.channels_in * c.channels_out;
  const auto input = tensor(pixels * c.channels_in), grad_input = tensor(pixels * c.channels_in);
  const auto kernel = tensor(taps), grad_kernel = tensor(taps);
  const auto bias = tensor(c.channels_out), grad_bias = tensor(c.channels_out);
  const auto output = tensor(pixels * c.channels_out), grad_output = tensor(pixels * c.channels_out);
  const DynastConvolutionForward forward = {input.get(), kernel.get(), bias.get(), output.get()};
  expect(dynast_convolve(&c, &forward, variant, threads, message, size));
  const DynastConvolutionBackward backward = {input.get(),      kernel.get(),      grad_output.get(),
                                              grad_input.get(), grad_kernel.get(), grad_bias.get()};
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
  const DynastModulationBackward modulate_back = {
      x.get(),         modulation.get(),      modulate.slope,
      modulate.attended, modulate.confidence, grad_y.get(),
      grad_x.get(),    grad_modulation.get(), fused ? nullptr : grad_slope.get(),
      fused ? grad_attended.get() : nullptr,  fused ? grad_confidence.get() : nullptr};
  expect(dynast_modulate_back(&m, &modulate_back, variant, threads, message, size));

  DynastActivation activation = {numbers, x.get(), fused ? attended.get() : nullptr, slope.get(), nullptr, y.get(),
                                 nullptr, nullptr};
  expect(dynast_activate(&activation, variant, threads, message, size));
  activation = {numbers, x.get(), activation.b, slope.get(), grad_y.get(), nullptr, grad_x.get(), grad_slope.get()};
  expect(dynast_activate(&activation, variant, threads, message, size));
}
