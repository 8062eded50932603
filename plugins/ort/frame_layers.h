// A frame's layers on maps [N, H, W, C], float32, for the CPU: plugins/README.md says what each computes.
#pragma once

#include "cpu/layers/frame_calls.h"
#include "ort/kernel.h"

namespace dynast {

// A node's inputs by name, checked as they are taken.
class Maps {
 public:
  explicit Maps(const Ort::KernelContext& context) : context_(context), count_(context.GetInputCount()) {}

  bool has(size_t i) const { return i < count_ && context_.GetInput(i); }

  // Its shape; it has to have so many dimensions, none of them empty.
  Shape shape(size_t i, const char* name, size_t rank) const {
    const Shape shape = context_.GetInput(i).GetTensorTypeAndShapeInfo().GetShape();
    if (shape.size() != rank) refuse(name, shape, "has to have " + std::to_string(rank) + " dimensions");
    int64_t product = 1;
    for (const int64_t size : shape)
      if (size < 1 || size > INT32_MAX || (product *= size) > kMostNumbers)
        refuse(name, shape, "is empty or too large");
    return shape;
  }

  // Its numbers, of which it has to have this shape.
  const float* numbers(size_t i, const char* name, const Shape& expected) const {
    const Ort::ConstValue input = context_.GetInput(i);
    const Shape shape = input.GetTensorTypeAndShapeInfo().GetShape();
    if (shape != expected) refuse(name, shape, "has to be " + text(expected));
    return input.GetTensorData<float>();
  }

  [[noreturn]] static void refuse(const char* name, const Shape& shape, const std::string& complaint) {
    throw Ort::Exception(std::string(name) + " has shape " + text(shape) + ", which " + complaint,
                         ORT_INVALID_ARGUMENT);
  }

 private:
  static constexpr int64_t kMostNumbers = int64_t{1} << 40;

  const Ort::KernelContext& context_;
  size_t count_;
};

// The shape of tokens that are normalised over their channels.
inline Shape normable(const Maps& maps) {
  const Shape shape = maps.shape(0, "input", 4);
  if (shape[3] < 2) Maps::refuse("input", shape, "has one channel; a norm over channels needs two and more");
  return shape;
}

inline int32_t narrow(int64_t size) { return static_cast<int32_t>(size); }

// Inputs   input [N, H, W, Ci], kernel [Co, Ci, 3, 3], bias [Co], residual [N, H', W', Co] or none; H and W at least 2.
// Output   [N, H', W', Co], the convolution of the input with a reflected border, plus residual; where that is
//          negative, times slope. H' and W' are H and W with stride 1, and half of them, rounded up, with stride 2.
// Attributes stride (1 or 2), slope (float).
class ConvolutionLayer {
 public:
  static constexpr const char* kName = "Convolution";
  static constexpr size_t kInputs = 4, kRequired = 3;

  explicit ConvolutionLayer(const Ort::ConstKernelInfo& info)
      : stride_(integer(info, "stride")), slope_(attribute<float>(info, "slope")) {
    if (stride_ != 1 && stride_ != 2)
      throw Ort::Exception("Convolution: attribute stride is " + std::to_string(stride_) + "; it has to be 1 or 2",
                           ORT_INVALID_GRAPH);
  }

  void compute(Ort::KernelContext& context, const MapKernels& kernels, const Parallel& parallel) const {
    const Maps maps(context);
    const Shape shape = maps.shape(0, "input", 4), kernel = maps.shape(1, "kernel", 4);
    if (shape[1] < 2 || shape[2] < 2) Maps::refuse("input", shape, "has no room for a reflected border");
    const Shape output_shape = {shape[0], (shape[1] - 1) / stride_ + 1, (shape[2] - 1) / stride_ + 1, kernel[0]};
    const DynastConvolution sizes = {narrow(shape[0]), narrow(shape[1]),  narrow(shape[2]),
                                     narrow(shape[3]), narrow(kernel[0]), narrow(stride_)};
    const float* residual = maps.has(3) ? maps.numbers(3, "residual", output_shape) : nullptr;
    DynastConvolutionForward call = {maps.numbers(0, "input", shape),
                                     maps.numbers(1, "kernel", {kernel[0], shape[3], 3, 3}),
                                     maps.numbers(2, "bias", {kernel[0]}), nullptr, residual ? 1.0f : slope_};
    float* numbers = call.output = static_cast<float*>(output(context, 0, output_shape));
    (stride_ == 1 ? kernels.convolve : kernels.convolve_halving)(sizes, call, parallel);
    if (!residual) return;
    int64_t count = 1;
    for (const int64_t size : output_shape) count *= size;
    kernels.activate({count, numbers, residual, &slope_, nullptr, numbers, nullptr, nullptr}, parallel);
  }

 private:
  int64_t stride_;
  float slope_;
};

// Inputs   input, gamma, beta [N, H, W, C].
// Output   [N, H, W, C]: z = gamma * u + beta, where u is the input normalised over the channels; where z is negative,
//          times slope.
// Attribute slope (float).
class ModulationLayer {
 public:
  static constexpr const char* kName = "Modulation";
  static constexpr size_t kInputs = 3, kRequired = 3;

  explicit ModulationLayer(const Ort::ConstKernelInfo& info) : slope_(attribute<float>(info, "slope")) {}

  void compute(Ort::KernelContext& context, const MapKernels& kernels, const Parallel& parallel) const {
    const Maps maps(context);
    const Shape shape = normable(maps);
    kernels.modulate({shape[0] * shape[1] * shape[2], narrow(shape[3]), slope_, maps.numbers(0, "input", shape),
                      maps.numbers(1, "gamma", shape), maps.numbers(2, "beta", shape), nullptr, nullptr,
                      static_cast<float*>(output(context, 0, shape))},
                     parallel);
  }

 private:
  float slope_;
};

// Inputs   input, gamma, beta [N, H, W, C], attended [N, H * W, C], confidence [N, H * W, 1].
// Output   [N, H, W, C]: attended + (1 - confidence) * z + input normalised over the channels, z as of Modulation.
class FusionLayer {
 public:
  static constexpr const char* kName = "Fusion";
  static constexpr size_t kInputs = 5, kRequired = 5;

  explicit FusionLayer(const Ort::ConstKernelInfo&) {}

  void compute(Ort::KernelContext& context, const MapKernels& kernels, const Parallel& parallel) const {
    const Maps maps(context);
    const Shape shape = normable(maps);
    const int64_t length = shape[1] * shape[2];
    kernels.modulate(
        {shape[0] * length, narrow(shape[3]), 1.0f, maps.numbers(0, "input", shape), maps.numbers(1, "gamma", shape),
         maps.numbers(2, "beta", shape), maps.numbers(3, "attended", {shape[0], length, shape[3]}),
         maps.numbers(4, "confidence", {shape[0], length, 1}), static_cast<float*>(output(context, 0, shape))},
        parallel);
  }
};

// Inputs   input [N, H, W, C], scale, bias [C].
// Output   [N, H, W, C], each channel normalised over the pixels, times scale, plus bias.
// Attribute epsilon (float).
class InstanceNormLayer {
 public:
  static constexpr const char* kName = "InstanceNorm";
  static constexpr size_t kInputs = 3, kRequired = 3;

  explicit InstanceNormLayer(const Ort::ConstKernelInfo& info) : epsilon_(attribute<float>(info, "epsilon")) {}

  void compute(Ort::KernelContext& context, const MapKernels& kernels, const Parallel& parallel) const {
    const Maps maps(context);
    const Shape shape = maps.shape(0, "input", 4);
    kernels.normalise({narrow(shape[0]), narrow(shape[3]), shape[1] * shape[2], epsilon_,
                       maps.numbers(0, "input", shape), maps.numbers(1, "scale", {shape[3]}),
                       maps.numbers(2, "bias", {shape[3]}), static_cast<float*>(output(context, 0, shape))},
                      parallel);
  }

 private:
  float epsilon_;
};

// Input    [N, H, W, C]. Output  [N, 2 H, 2 W, C], bilinear, corners on corners.
class UpsamplingLayer {
 public:
  static constexpr const char* kName = "Upsampling";
  static constexpr size_t kInputs = 1, kRequired = 1;

  explicit UpsamplingLayer(const Ort::ConstKernelInfo&) {}

  void compute(Ort::KernelContext& context, const MapKernels& kernels, const Parallel& parallel) const {
    const Maps maps(context);
    const Shape shape = maps.shape(0, "input", 4);
    kernels.upsample(
        {narrow(shape[0]), narrow(shape[1]), narrow(shape[2]), narrow(shape[3]), maps.numbers(0, "input", shape),
         static_cast<float*>(output(context, 0, {shape[0], 2 * shape[1], 2 * shape[2], shape[3]}))},
        parallel);
  }
};

// One of the layers above as ONNX Runtime wants it.
template <class Layer>
class MapKernel {
 public:
  explicit MapKernel(const Ort::ConstKernelInfo& info) : layer_(info) {}

  OrtStatusPtr ComputeV2(OrtKernelContext* raw) {
    return status_of(Layer::kName, [&]() -> std::string {
      Ort::KernelContext context(raw);
      try {
        layer_.compute(context, *select_map_kernels(nullptr), Parallel{run_on_pool, &context});
      } catch (const Ort::Exception& error) {
        return error.what();
      }
      return {};
    });
  }

 private:
  Layer layer_;
};

}  // namespace dynast
