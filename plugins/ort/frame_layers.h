// The operators of a rendered frame's layers, for the CPU: maps [N, H, W, C], float32. plugins/README.md describes
// each.
#pragma once

#include "cpu/layers/kernels.h"
#include "ort/kernel.h"

namespace dynast {

// A node's inputs. Each is checked when it is read; errors name it.
class LayerInputs {
 public:
  explicit LayerInputs(const Ort::KernelContext& context) : context_(context), count_(context.GetInputCount()) {}

  bool has(size_t i) const { return i < count_ && context_.GetInput(i); }

  // The shape of input i, which has to have `rank` dimensions, none of them empty.
  Shape shape(size_t i, const char* name, size_t rank) const {
    const Shape shape = context_.GetInput(i).GetTensorTypeAndShapeInfo().GetShape();
    if (shape.size() != rank) refuse(name, shape, "has to have " + std::to_string(rank) + " dimensions");
    int64_t product = 1;
    for (const int64_t size : shape)
      if (size < 1 || size > INT32_MAX || (product *= size) > kMaxNumbers) refuse(name, shape, "is empty or too large");
    return shape;
  }

  // The numbers of input i, which has to have this shape.
  const float* numbers(size_t i, const char* name, const Shape& expected) const {
    const Ort::ConstValue input = context_.GetInput(i);
    const Shape shape = input.GetTensorTypeAndShapeInfo().GetShape();
    if (shape != expected) refuse(name, shape, "has to be " + text(expected));
    return input.GetTensorData<float>();
  }

  [[noreturn]] static void refuse(const char* name, const Shape& shape, const std::string& error) {
    throw Ort::Exception(std::string(name) + " has shape " + text(shape) + ", which " + error, ORT_INVALID_ARGUMENT);
  }

 private:
  static constexpr int64_t kMaxNumbers = int64_t{1} << 40;

  const Ort::KernelContext& context_;
  size_t count_;
};

// The shape of an input that is normalized over its channels.
inline Shape normalizable_shape(const LayerInputs& inputs) {
  const Shape shape = inputs.shape(0, "input", 4);
  if (shape[3] < 2) LayerInputs::refuse("input", shape, "has one channel; a norm over channels needs at least two");
  return shape;
}

inline int32_t narrow(int64_t size) { return static_cast<int32_t>(size); }

// Inputs   input [N, H, W, Ci], kernel [Co, Ci, 3, 3], bias [Co], residual [N, H', W', Co] or none; H and W at least 2.
// Output   [N, H', W', Co], the convolution of the input with a reflected border, plus residual; where that is
//          negative, times slope. H' and W' are H and W with stride 1, and half of that, rounded up, with stride 2.
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

  void compute(Ort::KernelContext& context, const FrameLayerKernels& kernels, const Parallel& parallel) const {
    const LayerInputs inputs(context);
    const Shape shape = inputs.shape(0, "input", 4), kernel = inputs.shape(1, "kernel", 4);
    if (shape[1] < 2 || shape[2] < 2) LayerInputs::refuse("input", shape, "has no room for a reflected border");
    const Shape output_shape = {shape[0], (shape[1] - 1) / stride_ + 1, (shape[2] - 1) / stride_ + 1, kernel[0]};
    const DynastConvolution sizes = {narrow(shape[0]), narrow(shape[1]),  narrow(shape[2]),
                                     narrow(shape[3]), narrow(kernel[0]), narrow(stride_)};
    const float* residual = inputs.has(3) ? inputs.numbers(3, "residual", output_shape) : nullptr;
    DynastConvolutionForward call = {inputs.numbers(0, "input", shape),
                                     inputs.numbers(1, "kernel", {kernel[0], shape[3], 3, 3}),
                                     inputs.numbers(2, "bias", {kernel[0]}), nullptr, residual ? 1.0f : slope_};
    float* numbers = call.output = static_cast<float*>(output(context, 0, output_shape));
    (stride_ == 1 ? kernels.convolve : kernels.convolve_stride2)(sizes, call, parallel);
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
// Output   [N, H, W, C]: z = gamma * u + beta, where u is the input normalized over the channels; where z is negative,
//          times slope.
// Attribute slope (float).
class ModulationLayer {
 public:
  static constexpr const char* kName = "Modulation";
  static constexpr size_t kInputs = 3, kRequired = 3;

  explicit ModulationLayer(const Ort::ConstKernelInfo& info) : slope_(attribute<float>(info, "slope")) {}

  void compute(Ort::KernelContext& context, const FrameLayerKernels& kernels, const Parallel& parallel) const {
    const LayerInputs inputs(context);
    const Shape shape = normalizable_shape(inputs);
    kernels.spade({shape[0] * shape[1] * shape[2], narrow(shape[3]), slope_, inputs.numbers(0, "input", shape),
                   inputs.numbers(1, "gamma", shape), inputs.numbers(2, "beta", shape), nullptr, nullptr,
                   static_cast<float*>(output(context, 0, shape))},
                  parallel);
  }

 private:
  float slope_;
};

// Inputs   input, gamma, beta [N, H, W, C], attended [N, H * W, C], confidence [N, H * W, 1].
// Output   [N, H, W, C]: attended + (1 - confidence) * z + input normalized over the channels, z as of Modulation.
class FusionLayer {
 public:
  static constexpr const char* kName = "Fusion";
  static constexpr size_t kInputs = 5, kRequired = 5;

  explicit FusionLayer(const Ort::ConstKernelInfo&) {}

  void compute(Ort::KernelContext& context, const FrameLayerKernels& kernels, const Parallel& parallel) const {
    const LayerInputs inputs(context);
    const Shape shape = normalizable_shape(inputs);
    const int64_t length = shape[1] * shape[2];
    kernels.spade(
        {shape[0] * length, narrow(shape[3]), 1.0f, inputs.numbers(0, "input", shape),
         inputs.numbers(1, "gamma", shape), inputs.numbers(2, "beta", shape),
         inputs.numbers(3, "attended", {shape[0], length, shape[3]}),
         inputs.numbers(4, "confidence", {shape[0], length, 1}), static_cast<float*>(output(context, 0, shape))},
        parallel);
  }
};

// Inputs   input [N, H, W, C], scale, bias [C].
// Output   [N, H, W, C], each channel normalized over the pixels, times scale, plus bias.
// Attribute epsilon (float).
class InstanceNormLayer {
 public:
  static constexpr const char* kName = "InstanceNorm";
  static constexpr size_t kInputs = 3, kRequired = 3;

  explicit InstanceNormLayer(const Ort::ConstKernelInfo& info) : epsilon_(attribute<float>(info, "epsilon")) {}

  void compute(Ort::KernelContext& context, const FrameLayerKernels& kernels, const Parallel& parallel) const {
    const LayerInputs inputs(context);
    const Shape shape = inputs.shape(0, "input", 4);
    kernels.instance_norm({narrow(shape[0]), narrow(shape[3]), shape[1] * shape[2], epsilon_,
                           inputs.numbers(0, "input", shape), inputs.numbers(1, "scale", {shape[3]}),
                           inputs.numbers(2, "bias", {shape[3]}), static_cast<float*>(output(context, 0, shape))},
                          parallel);
  }

 private:
  float epsilon_;
};

// Input    [N, H, W, C]. Output  [N, 2 H, 2 W, C], bilinear with align_corners.
class UpsamplingLayer {
 public:
  static constexpr const char* kName = "Upsampling";
  static constexpr size_t kInputs = 1, kRequired = 1;

  explicit UpsamplingLayer(const Ort::ConstKernelInfo&) {}

  void compute(Ort::KernelContext& context, const FrameLayerKernels& kernels, const Parallel& parallel) const {
    const LayerInputs inputs(context);
    const Shape shape = inputs.shape(0, "input", 4);
    kernels.upsample(
        {narrow(shape[0]), narrow(shape[1]), narrow(shape[2]), narrow(shape[3]), inputs.numbers(0, "input", shape),
         static_cast<float*>(output(context, 0, {shape[0], 2 * shape[1], 2 * shape[2], shape[3]}))},
        parallel);
  }
};

// One of the layers above with the interface of an ONNX Runtime kernel.
template <class Layer>
class LayerKernel {
 public:
  explicit LayerKernel(const Ort::ConstKernelInfo& info) : layer_(info) {}

  OrtStatusPtr ComputeV2(OrtKernelContext* raw) {
    return status_of(Layer::kName, [&]() -> std::string {
      Ort::KernelContext context(raw);
      try {
        layer_.compute(context, *select_frame_kernels(nullptr), Parallel{run_on_session_threads, &context});
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
