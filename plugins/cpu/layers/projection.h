// Linear projections of tokens by two layers that read the same tokens; and their gradients.
#pragma once

#include <type_traits>

#include "cpu/dispatch/parallel.h"
#include "cpu/layers/training_calls.h"
#include "cpu/memory/buffer.h"
#include "cpu/simd/products.h"
#include "cpu/simd/rows.h"

DYNAST_BEGIN

constexpr int kTokenBlock = 48;   // tokens of a task, a multiple of kPixels
constexpr int kTokenDepth = 128;  // tokens that one product of the kernels' gradients sums over
// The kernels' gradients are summed over chunks of the tokens, which depend on the sizes alone, so that sums have one
// order.
constexpr int64_t kChunkTokens = 1024, kMaxTokenChunks = 8;

inline int panels_of(int channels) { return (channels + kPanel - 1) / kPanel; }

// The outputs of both layers in panels, layer by layer: `body(layer, panel, first, channels)`. `panel` counts over both
// layers; the panel has `channels` of the layer's channels, from `first` on.
template <class Body>
inline void for_each_panel(const DynastProjections& p, Body body) {
  for (int layer = 0, panel = 0; layer < 2; ++layer)
    for (int first = 0; first < p.channels_out[layer]; first += kPanel, ++panel)
      body(layer, panel, first, panel_channels(p.channels_out[layer], first));
}

// `body(at, count)` for every block of tokens.
template <class Body>
inline void for_each_block(int64_t length, const Parallel& parallel, Body body) {
  parallel((length + kTokenBlock - 1) / kTokenBlock, [&](int64_t task) {
    const int64_t at = task * kTokenBlock;
    body(at, static_cast<int>(length - at < kTokenBlock ? length - at : kTokenBlock));
  });
}

inline void project(const DynastProjections& p, const DynastProjectionsForward& call, const Parallel& parallel) {
  const int depth = p.channels_in, panels = panels_of(p.channels_out[0]) + panels_of(p.channels_out[1]);
  const int64_t size = int64_t{depth} * kPanel;
  Floats packed(panels * size);  // [panel][input][kPanel]
  for_each_panel(p, [&](int layer, int panel, int first, int channels) {
    float* to = packed.get() + panel * size;
    if (channels < kPanel) memset(to, 0, static_cast<size_t>(size) * sizeof(float));
    for (int o = 0; o < channels; ++o) {
      const float* row = call.kernel[layer] + static_cast<int64_t>(first + o) * depth;
      for (int k = 0; k < depth; ++k) to[static_cast<int64_t>(k) * kPanel + o] = row[k];
    }
  });
  for_each_block(p.length, parallel, [&](int64_t at, int count) {
    float product[kTokenBlock * kPanel];
    for_each_panel(p, [&](int layer, int panel, int first, int channels) {
      multiply<false>({call.input + at * depth, depth, 1}, count, depth, packed.get() + panel * size, kPanel, channels,
                      product, kPanel);
      float* to = call.output[layer] + at * p.channels_out[layer] + first;
      for_each_vector(channels, [&](int c, auto part) {
        const Lanes bias = part.load_from(call.bias[layer] + first + c);
        for (int i = 0; i < count; ++i)
          part.store_to(to + static_cast<int64_t>(i) * p.channels_out[layer] + c,
                        load(product + i * kPanel + c) + bias);
      });
    });
  });
}

// The gradient of the tokens: the gradient of the outputs times the kernels.
inline void project_back_input(const DynastProjections& p, const DynastProjectionsBackward& call,
                               const Parallel& parallel) {
  const int panels = panels_of(p.channels_in), outputs = p.channels_out[0] + p.channels_out[1];
  const int64_t size = int64_t{outputs} * kPanel;
  Floats packed(panels * size);  // [panel][output][kPanel]
  for (int panel = 0; panel < panels; ++panel)
    for (int o = 0; o < outputs; ++o) {
      const float* row = o < p.channels_out[0]
                             ? call.kernel[0] + static_cast<int64_t>(o) * p.channels_in
                             : call.kernel[1] + static_cast<int64_t>(o - p.channels_out[0]) * p.channels_in;
      float* to = packed.get() + panel * size + static_cast<int64_t>(o) * kPanel;
      memset(to, 0, kPanel * sizeof(float));
      memcpy(to, row + panel * kPanel,
             static_cast<size_t>(panel_channels(p.channels_in, panel * kPanel)) * sizeof(float));
    }
  for_each_block(p.length, parallel, [&](int64_t at, int count) {
    float product[kTokenBlock * kPanel];
    for (int panel = 0; panel < panels; ++panel) {
      const float* kernel = packed.get() + panel * size;
      const auto gradient = [&](int layer) {
        return Factor{call.grad_output[layer] + at * p.channels_out[layer], p.channels_out[layer], 1};
      };
      const int channels = panel_channels(p.channels_in, panel * kPanel);
      multiply<false>(gradient(0), count, p.channels_out[0], kernel, kPanel, channels, product, kPanel);
      if (p.channels_out[1])
        multiply<true>(gradient(1), count, p.channels_out[1], kernel + int64_t{kPanel} * p.channels_out[0], kPanel,
                       channels, product, kPanel);
      float* to = call.grad_input + at * p.channels_in + panel * kPanel;
      for_each_vector(channels, [&](int c, auto part) {
        for (int i = 0; i < count; ++i)
          part.store_to(to + static_cast<int64_t>(i) * p.channels_in + c, load(product + i * kPanel + c));
      });
    }
  });
}

// Adds the rows of `count` tokens, `channels` numbers each, to `total`.
inline void add_rows(const float* rows, int count, int channels, float* total) {
  for_each_vector(channels, [&](int c, auto part) {
    Lanes sums = {};
    for (int i = 0; i < count; ++i) sums += part.load_from(rows + static_cast<int64_t>(i) * channels + c);
    part.store_to(total + c, part.load_from(total + c) + sums);
  });
}

// The gradients of kernels and biases: the gradients of the outputs times the tokens.
inline void project_back_kernel(const DynastProjections& p, const DynastProjectionsBackward& call,
                                const Parallel& parallel) {
  const int panels = panels_of(p.channels_in), outputs = p.channels_out[0] + p.channels_out[1];
  const int64_t fitting = p.length / kChunkTokens;
  const int64_t chunks = fitting < 1 ? 1 : fitting < kMaxTokenChunks ? fitting : kMaxTokenChunks;
  const int64_t size = int64_t{outputs} * kPanel;
  Floats sums(chunks * (panels * size + outputs));  // [chunk][panel][output][kPanel], then [chunk][output]
  float* biases = sums.get() + chunks * panels * size;
  parallel(chunks * panels, [&](int64_t task) {
    const int64_t chunk = task / panels, begin = p.length * chunk / chunks, end = p.length * (chunk + 1) / chunks;
    const int first = static_cast<int>(task % panels) * kPanel;
    const int channels = panel_channels(p.channels_in, first);
    float *of_kernels = sums.get() + task * size, *of_biases = biases + chunk * outputs;
    Floats scratch(kTokenDepth * kPanel);
    if (channels < kPanel) memset(scratch.get(), 0, size_t{kTokenDepth} * kPanel * sizeof(float));
    if (first == 0) memset(of_biases, 0, static_cast<size_t>(outputs) * sizeof(float));
    for (int64_t at = begin; at < end; at += kTokenDepth) {
      const int count = static_cast<int>(end - at < kTokenDepth ? end - at : kTokenDepth);
      for (int i = 0; i < count; ++i)
        memcpy(scratch.get() + i * kPanel, call.input + (at + i) * p.channels_in + first,
               static_cast<size_t>(channels) * sizeof(float));
      const auto products = [&](auto add) {
        for (int layer = 0, before = 0; layer < 2; before += p.channels_out[layer++]) {
          const float* gradients = call.grad_output[layer] + at * p.channels_out[layer];
          if (first == 0) add_rows(gradients, count, p.channels_out[layer], of_biases + before);
          multiply<add.value>({gradients, 1, p.channels_out[layer]}, p.channels_out[layer], count, scratch.get(),
                              kPanel, channels, of_kernels + int64_t{kPanel} * before, kPanel);
        }
      };
      if (at == begin)
        products(std::false_type{});
      else
        products(std::true_type{});
    }
  });
  for (int layer = 0, before = 0; layer < 2; before += p.channels_out[layer++])
    for (int o = 0; o < p.channels_out[layer]; ++o) {
      float of_bias = 0.0f;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) of_bias += biases[chunk * outputs + before + o];
      call.grad_bias[layer][o] = of_bias;
      for (int panel = 0; panel < panels; ++panel) {
        const int channels = panel_channels(p.channels_in, panel * kPanel);
        const float* from = sums.get() + panel * size + int64_t{kPanel} * (before + o);
        float* to = call.grad_kernel[layer] + static_cast<int64_t>(o) * p.channels_in + panel * kPanel;
        for_each_vector(channels, [&](int c, auto part) {
          Lanes total = load(from + c);
          for (int64_t chunk = 1; chunk < chunks; ++chunk) total += load(from + chunk * panels * size + c);
          part.store_to(to + c, total);
        });
      }
    }
}

inline void project_back(const DynastProjections& p, const DynastProjectionsBackward& call, const Parallel& parallel) {
  if (call.grad_input) project_back_input(p, call, parallel);
  if (call.grad_kernel[0]) project_back_kernel(p, call, parallel);
}

DYNAST_END
