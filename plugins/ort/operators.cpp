// The library of ONNX Runtime custom operators, domain dynast: for the CPU and, with DYNAST_CUDA, also for CUDA. A
// library for CUDA alone would make sessions without CUDA fail.
//
// Compiled against API version 21, which every release since 1.21 has.
#include "dynast/export.h"
#include "ort/dense_kernel.h"
#include "ort/frame_layers.h"
#include "ort/sparse_kernel.h"

namespace dynast {
namespace {

// Without shape inference: ONNX Runtime asks only the first operator of a name for the shapes, and takes the type from
// the same answer, which would be wrong for operators of another type. Exported models contain the shapes.
template <class Kernel>
struct Operator : Ort::CustomOpBase<Operator<Kernel>, Kernel, true> {
  static constexpr ONNXTensorElementDataType kType =
      Kernel::kHalf ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  static constexpr size_t kNextMatches = 2;

  const char* GetName() const { return Kernel::kName; }
  const char* GetExecutionProviderType() const {
    return Kernel::kDevice == Device::kCuda ? "CUDAExecutionProvider" : nullptr;  // null: the CPU
  }

  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const {
    return status_of(Kernel::kName, [&] {
      *kernel = new Kernel(Ort::ConstKernelInfo(info));
      return std::string();
    });
  }

  size_t GetInputTypeCount() const { return Kernel::kInputs; }
  ONNXTensorElementDataType GetInputType(size_t i) const {
    return i == Kernel::kMatches ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : kType;
  }
  size_t GetOutputTypeCount() const { return 3; }
  ONNXTensorElementDataType GetOutputType(size_t i) const {
    return i == kNextMatches ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : kType;
  }
};

template <class Kernel>
void add_operator(Ort::CustomOpDomain& domain) {
  static const Operator<Kernel> op;
  domain.Add(&op);
}

template <class Layer>
struct LayerOperator : Ort::CustomOpBase<LayerOperator<Layer>, LayerKernel<Layer>, true> {
  const char* GetName() const { return Layer::kName; }

  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const {
    return status_of(Layer::kName, [&] {
      *kernel = new LayerKernel<Layer>(Ort::ConstKernelInfo(info));
      return std::string();
    });
  }

  size_t GetInputTypeCount() const { return Layer::kInputs; }
  ONNXTensorElementDataType GetInputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
  OrtCustomOpInputOutputCharacteristic GetInputCharacteristic(size_t i) const {
    return i < Layer::kRequired ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
  }
  size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(size_t) const { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
};

template <class Layer>
void add_layer(Ort::CustomOpDomain& domain) {
  static const LayerOperator<Layer> op;
  domain.Add(&op);
}

template <Device kDevice>
void add_operators(Ort::CustomOpDomain& domain) {
  add_operator<SparseKernel<false, false, kDevice>>(domain);
  add_operator<SparseKernel<false, true, kDevice>>(domain);
  add_operator<SparseKernel<true, false, kDevice>>(domain);
  add_operator<SparseKernel<true, true, kDevice>>(domain);
  add_operator<DenseKernel<false, kDevice>>(domain);
  add_operator<DenseKernel<true, kDevice>>(domain);
}

// The domain exists until the process ends: sessions refer to it, and nothing tells when the last one closes.
OrtCustomOpDomain* domain() {
  static OrtCustomOpDomain* const domain = [] {
    Ort::CustomOpDomain created("dynast");
    add_operators<Device::kCpu>(created);
    add_layer<ConvolutionLayer>(created);
    add_layer<ModulationLayer>(created);
    add_layer<FusionLayer>(created);
    add_layer<InstanceNormLayer>(created);
    add_layer<UpsamplingLayer>(created);
#ifdef DYNAST_CUDA
    add_operators<Device::kCuda>(created);
#endif
    return created.release();
  }();
  return domain;
}

}  // namespace
}  // namespace dynast

// Identifies the sources that the library was built from.
DYNAST_EXPORT const char* dynast_source() { return DYNAST_SOURCE; }

DYNAST_EXPORT OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
  const OrtApi* api = base->GetApi(ORT_API_VERSION);
  if (!api) {
    std::string message =
        std::string("the dynast operators need ONNX Runtime 1.21 or later, and this is ") + base->GetVersionString();
    return base->GetApi(1)->CreateStatus(ORT_NOT_IMPLEMENTED, message.c_str());
  }
  Ort::InitApi(api);
  try {
    return api->AddCustomOpDomain(options, dynast::domain());
  } catch (const Ort::Exception& error) {
    return Ort::Status(error).release();
  }
}
