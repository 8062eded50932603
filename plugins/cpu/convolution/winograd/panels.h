// Winograd's algorithm (`transforms.h`) for kernels that are large compared with their maps, as at the coarse scales.
//
// All tiles of the maps are transformed first. Then each task computes all steps for one panel of the kernel. So the
// transformed kernel, which is four times as large as the kernel, never exists as a whole, and a panel stays in the
// cache.
#pragma once

#include "cpu/convolution/winograd/forward.h"
#include "cpu/convolution/winograd/input_gradient.h"
#include "cpu/convolution/winograd/kernel_gradient.h"
#include "cpu/memory/buffer.h"

DYNAST_BEGIN

constexpr int64_t kLargeKernel = 16 * 1024 * 1024;  // bytes of a transformed kernel that fits in no cache
constexpr int64_t kFewTiles = 64;                   // of small maps, for which a kernel is large from
constexpr int64_t kCacheKernel = 512 * 1024;        // bytes on: half of the L2 cache

inline int64_t transformed_bytes(const DynastConvolution& p) {
  return int64_t{kPositions} * p.channels_in * p.channels_out * static_cast<int64_t>(sizeof(float));
}

inline bool maps_are_small(const DynastConvolution& p) {
  return Tiles(p).count <= kFewTiles && transformed_bytes(p) >= kCacheKernel;
}

inline bool forward_by_panels(const DynastConvolution& p) {
  return transformed_bytes(p) >= kLargeKernel || maps_are_small(p);
}

// For every position, the product of `tiles` rows of inner channels with one panel of the kernel, which is transformed
// for it.
inline void multiply_panel(const KernelPanels& layout, const float* kernel, bool transposed, int panel, int tiles,
                           const Strip& in, const float* inputs, const Strip& out, float* outputs) {
  Floats transformed(kPositions * layout.distance);
  transform_panel(layout, kernel, transposed, panel, 0, layout.inner, transformed.get());
  const KernelPanels alone = layout.alone(panel);
  multiply_kernel(alone, transformed.get(), PanelRange(alone, 0, 1), tiles, in, inputs, out, outputs);
}

template <int kStride>
inline void winograd_forward_by_panels(const DynastConvolution& p, const DynastConvolutionForward& call,
                                       const Parallel& parallel) {
  const Tiles tiles(p);
  const int count = static_cast<int>(tiles.count);
  const Strip in(count, p.channels_in), out(count, kPanel);
  Floats inputs(in.size());
  parallel(count, [&](int64_t t) {
    transform_input(tiles, Tile(tiles, t), call.input, p.channels_in, inputs.get() + t * in.row, in.distance);
  });
  const KernelPanels layout(p.channels_out, p.channels_in);
  parallel(layout.panels, [&](int64_t panel) {
    const int first = static_cast<int>(panel) * kPanel;
    Floats outputs(out.size());
    multiply_panel(layout, call.kernel, false, static_cast<int>(panel), count, in, inputs.get(), out, outputs.get());
    for_each_tile(tiles, 0, count, [&](int t, const Tile& tile) {
      store_output<kStride>(tiles, tile, outputs.get() + t * out.row, out.distance,
                            call.bias ? call.bias + first : nullptr, call.slope, p.channels_out,
                            layout.channels(static_cast<int>(panel)), call.output + first);
    });
  });
}

// The gradients of kernel and bias, from transformed maps.
template <int kStride>
inline void kernel_gradient_by_panels(const DynastConvolution& p, const DynastConvolutionBackward& call,
                                      const Strip& in, const float* inputs, const Strip& out, const float* gradients,
                                      const Parallel& parallel) {
  const Tiles tiles(p);
  const int count = static_cast<int>(tiles.count);
  const KernelPanels layout(p.channels_out, p.channels_in);
  parallel(layout.panels, [&](int64_t panel) {
    const int first = static_cast<int>(panel) * kPanel, channels = layout.channels(static_cast<int>(panel));
    Floats sums(kPositions * layout.distance);
    for (int position = 0; position < kPositions; ++position)
      multiply<false>({inputs + position * in.distance, 1, in.row}, p.channels_in, count,
                      gradients + position * out.distance + first, out.row, channels,
                      sums.get() + position * layout.distance, layout.row);
    store_kernel_gradient(layout, static_cast<int>(panel), sums.get(), 1, 0, call.grad_kernel);
    if (!call.grad_bias) return;
    float* bias = call.grad_bias + first;
    memset(bias, 0, static_cast<size_t>(channels) * sizeof(float));
    const SumGradients incoming(p, call, first);
    for_each_tile(tiles, 0, count,
                  [&](int, const Tile& tile) { add_bias<kStride>(tiles, tile, incoming, channels, bias); });
  });
}

// The gradient of the input, from transformed gradients. Panels write different channels, so no task has to wait for
// another.
inline void input_gradient_by_panels(const DynastConvolution& p, const DynastConvolutionBackward& call,
                                     const Strip& out, const float* gradients, const Parallel& parallel) {
  const Tiles tiles(p);
  const int count = static_cast<int>(tiles.count);
  const int64_t line = static_cast<int64_t>(p.width) * p.channels_in, pixels = int64_t{p.batch} * p.height * p.width;
  const KernelPanels layout(p.channels_in, p.channels_out);
  const Strip back(count, kPanel);
  parallel(layout.panels, [&](int64_t panel) {
    const int first = static_cast<int>(panel) * kPanel, channels = layout.channels(static_cast<int>(panel));
    float* gradient = call.grad_input + first;
    for (int64_t pixel = 0; pixel < pixels; ++pixel)
      memset(gradient + pixel * p.channels_in, 0, static_cast<size_t>(channels) * sizeof(float));
    Floats products(back.size());
    multiply_panel(layout, call.kernel, true, static_cast<int>(panel), count, out, gradients, back, products.get());
    for_each_tile(tiles, 0, count, [&](int t, const Tile& tile) {
      float* map = gradient + tile.map * p.channels_in;
      add_input_gradient(tiles, tile, products.get() + t * back.row, back.distance, p.channels_in, channels,
                         [&](int y) { return map + y * line; });
    });
  });
}

template <int kStride>
inline void winograd_backward_by_panels(const DynastConvolution& p, const DynastConvolutionBackward& call,
                                        const Parallel& parallel) {
  const Tiles tiles(p);
  const Strip in(tiles.count, p.channels_in), out(tiles.count, p.channels_out);
  const SumGradients incoming(p, call);
  Floats inputs(call.grad_kernel ? in.size() : 0), gradients(out.size());
  parallel(tiles.count, [&](int64_t t) {
    const Tile tile(tiles, t);
    transform_gradient<kStride>(tiles, tile, incoming, p.channels_out, gradients.get() + t * out.row, out.distance);
    if (call.grad_kernel)
      transform_input(tiles, tile, call.input, p.channels_in, inputs.get() + t * in.row, in.distance);
  });
  if (call.grad_kernel) kernel_gradient_by_panels<kStride>(p, call, in, inputs.get(), out, gradients.get(), parallel);
  if (call.grad_input) input_gradient_by_panels(p, call, out, gradients.get(), parallel);
}

DYNAST_END
