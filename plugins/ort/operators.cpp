// ONNX Runtime custom operators dynast::InterScaleAttention and dynast::InnerScaleAttention, CPU.
//
// Inputs   query [N, Lq, C], query_prune [N, Lq, P], key [E, Lk, C], key_prune [E, Lk, P], value [E, Lk, V], all
//          float or all float16, and matches [N, Lq / 4 or Lq, K] int32; E is 1 or N.
// Outputs  attended [N, Lq, V], confidence [N, Lq, 1], matches [N, Lq, top_k] int32.
// Attributes query_width, key_width, top_k (integers), temperature (float). Others are for TensorRT and ignored.
//
// Nothing is linked: ONNX Runtime hands its functions to RegisterCustomOps. Built against API version 21, which
// every release from 1.21 on has.
#define ORT_API_MANUAL_INIT
#include <cstdio>
#include <string>

#include "cpu/select.h"
#include "onnxruntime_cxx_api.h"

namespace dynast {
namespace {

enum Input { kQuery, kQueryPrune, kKey, kKeyPrune, kValue, kMatches, kInputs };
constexpr const char* kInputNames[] = {"query", "query_prune", "key", "key_prune", "value", "matches"};
enum Output { kAttended, kConfidence, kNextMatches, kOutputs };

using Shape = std::vector<int64_t>;

std::string text(const Shape& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) result += (i ? ", " : "") + std::to_string(shape[i]);
  return result + "]";
}

Ort::Status invalid(const std::string& message) { return Ort::Status(message.c_str(), ORT_INVALID_ARGUMENT); }

class Kernel {
 public:
  Kernel(const OrtKernelInfo* kernel_info, const char* name, bool inner, bool half) : name_(name), half_(half) {
    const Ort::ConstKernelInfo info(kernel_info);
    problem_.inner = inner;
    problem_.query_width = integer(info, "query_width");
    problem_.key_width = integer(info, "key_width");
    problem_.top_k = integer(info, "top_k");
    problem_.temperature = attribute<float>(info, "temperature");
  }

  OrtStatusPtr ComputeV2(OrtKernelContext* kernel_context) {
    try {
      const std::string complaint = compute(Ort::KernelContext(kernel_context));
      return complaint.empty() ? nullptr : invalid(std::string(name_) + ": " + complaint).release();
    } catch (const Ort::Exception& error) {
      return Ort::Status(error).release();
    }
  }

 private:
  template <class T>
  static T attribute(const Ort::ConstKernelInfo& info, const char* name) {
    try {
      return info.GetAttribute<T>(name);
    } catch (const Ort::Exception& error) {
      throw Ort::Exception(std::string("attribute ") + name + ": " + error.what(), ORT_INVALID_GRAPH);
    }
  }

  static int32_t integer(const Ort::ConstKernelInfo& info, const char* name) {
    const int64_t number = attribute<int64_t>(info, name);
    return number < INT32_MIN || number > INT32_MAX ? -1 : static_cast<int32_t>(number);  // -1 fails the checks
  }

  // What is wrong with the inputs' shapes, or nothing; then `problem` is the layer in numbers.
  std::string measure(const Shape (&shapes)[kInputs], DynastProblem& problem) const {
    for (int i = 0; i < kInputs; ++i) {
      if (shapes[i].size() != 3)
        return std::string(kInputNames[i]) + " has shape " + text(shapes[i]) + "; it has to have three dimensions";
      for (const int64_t size : shapes[i])
        if (size < 1 || size > INT32_MAX)
          return std::string(kInputNames[i]) + " has shape " + text(shapes[i]) + ", which is empty or too large";
    }
    const int64_t frames = shapes[kQuery][0], query_length = shapes[kQuery][1];
    const int64_t exemplars = shapes[kKey][0], key_length = shapes[kKey][1];
    const struct {
      const char* name;
      int64_t length, width;
    } maps[] = {{"query", query_length, problem.query_width}, {"key", key_length, problem.key_width}};
    for (const auto& map : maps)
      if (map.width < 1 || map.length % map.width)
        return std::string(map.name) + " has " + std::to_string(map.length) + " tokens, which is no multiple of " +
               map.name + "_width " + std::to_string(map.width);
    const Shape expected[kInputs] = {
        shapes[kQuery],
        {frames, query_length, shapes[kQueryPrune][2]},
        {exemplars, key_length, shapes[kQuery][2]},
        {exemplars, key_length, shapes[kQueryPrune][2]},
        {exemplars, key_length, shapes[kValue][2]},
        {frames, problem.inner ? query_length : query_length / 4, shapes[kMatches][2]},
    };
    for (int i = 0; i < kInputs; ++i)
      if (shapes[i] != expected[i])
        return std::string(kInputNames[i]) + " has shape " + text(shapes[i]) + "; with query " + text(shapes[kQuery]) +
               " and key " + text(shapes[kKey]) + " it has to be " + text(expected[i]);
    problem.frames = static_cast<int32_t>(frames);
    problem.exemplars = static_cast<int32_t>(exemplars);
    problem.query_height = static_cast<int32_t>(query_length / problem.query_width);
    problem.key_height = static_cast<int32_t>(key_length / problem.key_width);
    problem.channels = static_cast<int32_t>(shapes[kQuery][2]);
    problem.prune_channels = static_cast<int32_t>(shapes[kQueryPrune][2]);
    problem.value_channels = static_cast<int32_t>(shapes[kValue][2]);
    problem.matches_k = static_cast<int32_t>(shapes[kMatches][2]);
    char message[512];
    check_problem(problem, message, sizeof message);
    return message;
  }

  std::string compute(Ort::KernelContext context) const {
    Shape shapes[kInputs];
    const void* inputs[kInputs];
    for (int i = 0; i < kInputs; ++i) {
      const Ort::ConstValue input = context.GetInput(i);
      shapes[i] = input.GetTensorTypeAndShapeInfo().GetShape();
      inputs[i] = input.GetTensorRawData();
    }
    DynastProblem problem = problem_;
    const std::string complaint = measure(shapes, problem);
    if (!complaint.empty()) return complaint;
    const int32_t* matches = static_cast<const int32_t*>(inputs[kMatches]);
    char message[512];
    check_matches(problem, matches, message, sizeof message);
    if (message[0] != '\0') return message;

    const int64_t frames = shapes[kQuery][0], length = shapes[kQuery][1];
    const auto output = [&](int index, int64_t channels) {
      return context.GetOutput(index, Shape{frames, length, channels}).GetTensorMutableRawData();
    };
    const DynastForward call = {inputs[kQuery],
                                inputs[kQueryPrune],
                                inputs[kKey],
                                inputs[kKeyPrune],
                                inputs[kValue],
                                matches,
                                nullptr,
                                output(kAttended, problem.value_channels),
                                output(kConfidence, 1),
                                static_cast<int32_t*>(output(kNextMatches, problem.top_k)),
                                nullptr};
    const Kernels* kernels = select_kernels(nullptr);
    (half_ ? kernels->forward_half : kernels->forward_float)(problem, call, Parallel{run_on_pool, &context});
    return {};
  }

  // On the threads of the session, as its own operators.
  static void run_on_pool(void* owner, int64_t count, void (*task)(void*, int64_t), void* context) {
    struct Job {
      void (*task)(void*, int64_t);
      void* context;
    } job = {task, context};
    static_cast<Ort::KernelContext*>(owner)->ParallelFor(
        [](void* data, size_t i) {
          const Job& job = *static_cast<Job*>(data);
          job.task(job.context, static_cast<int64_t>(i));
        },
        static_cast<size_t>(count), 0, &job);
  }

  const char* name_;
  bool half_;
  DynastProblem problem_ = {};
};

// Without shape inference: ONNX Runtime asks the first operator of a name for the shapes of all, and with a shape it
// wants the type, which is this operator's alone. Exported models carry the shapes.
template <bool kInner, ONNXTensorElementDataType kType>
struct Operator : Ort::CustomOpBase<Operator<kInner, kType>, Kernel, true> {
  const char* GetName() const { return kInner ? "InnerScaleAttention" : "InterScaleAttention"; }

  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const {
    try {
      *kernel = new Kernel(info, GetName(), kInner, kType == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16);
      return nullptr;
    } catch (const Ort::Exception& error) {
      return Ort::Status(error).release();
    }
  }

  size_t GetInputTypeCount() const { return kInputs; }
  ONNXTensorElementDataType GetInputType(size_t i) const {
    return i == kMatches ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : kType;
  }
  size_t GetOutputTypeCount() const { return kOutputs; }
  ONNXTensorElementDataType GetOutputType(size_t i) const {
    return i == kNextMatches ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : kType;
  }
};

// The domain lives until the process ends: sessions refer to it, and when the last one closes is not ours to know.
OrtCustomOpDomain* domain() {
  static const Operator<false, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT> inter;
  static const Operator<false, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16> inter_half;
  static const Operator<true, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT> inner;
  static const Operator<true, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16> inner_half;
  static OrtCustomOpDomain* const domain = [] {
    Ort::CustomOpDomain created("dynast");
    for (const OrtCustomOp* op : {static_cast<const OrtCustomOp*>(&inter), static_cast<const OrtCustomOp*>(&inter_half),
                                  static_cast<const OrtCustomOp*>(&inner), static_cast<const OrtCustomOp*>(&inner_half)})
      created.Add(op);
    return created.release();
  }();
  return domain;
}

}  // namespace
}  // namespace dynast

#define DYNAST_EXPORT extern "C" __attribute__((visibility("default")))

// Identifies the sources that the library was built from.
DYNAST_EXPORT const char* dynast_source() { return DYNAST_SOURCE; }

DYNAST_EXPORT OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
  const OrtApi* api = base->GetApi(ORT_API_VERSION);
  if (!api) {
    std::string message = std::string("the dynast operators need ONNX Runtime 1.21 or later, and this is ") +
                          base->GetVersionString();
    return base->GetApi(1)->CreateStatus(ORT_NOT_IMPLEMENTED, message.c_str());
  }
  Ort::InitApi(api);
  try {
    return api->AddCustomOpDomain(options, dynast::domain());
  } catch (const Ort::Exception& error) {
    return Ort::Status(error).release();
  }
}
