// dynast::DenseAttention: every key is a candidate of every query, without a matrix of all logits.
//
// Inputs   query [N, Lq, C], query_prune [N, Lq, P], key [E, Lk, C], key_prune [E, Lk, P], value [E, Lk, V], all
//          float or all float16; E is 1 or N.
// Outputs  attended [N, Lq, V], confidence [N, Lq, 1], matches [N, Lq, top_k] int32.
// Attributes top_k (integer, at most 16), temperature (float).
#pragma once

#include "cpu/attention/kernels.h"
#include "ort/kernel.h"

namespace dynast {

template <bool kIsHalf, Device kOn>
class DenseKernel {
 public:
  static constexpr const char* kName = "DenseAttention";
  static constexpr bool kHalf = kIsHalf;
  static constexpr Device kDevice = kOn;
  static constexpr size_t kInputs = 5;
  static constexpr size_t kMatches = kInputs;  // none

  explicit DenseKernel(const Ort::ConstKernelInfo& info) {
    problem_.top_k = integer(info, "top_k");
    problem_.temperature = attribute<float>(info, "temperature");
  }

  OrtStatusPtr ComputeV2(OrtKernelContext* context) {
    return status_of(kName, [&] { return compute(Ort::KernelContext(context)); });
  }

 private:
  static std::string read_sizes(const Inputs<kInputs>& inputs, DynastDense& problem) {
    const auto& shapes = inputs.shapes;
    static constexpr const char* kNames[] = {"query", "query_prune", "key", "key_prune", "value"};
    std::string error = rank_error(kNames, shapes);
    if (!error.empty()) return error;
    const int64_t frames = shapes[0][0], query_length = shapes[0][1], exemplars = shapes[2][0];
    const int64_t key_length = shapes[2][1];
    error = shape_error(kNames, shapes,
                        {shapes[0],
                         {frames, query_length, shapes[1][2]},
                         {exemplars, key_length, shapes[0][2]},
                         {exemplars, key_length, shapes[1][2]},
                         {exemplars, key_length, shapes[4][2]}});
    if (!error.empty()) return error;
    const auto narrow = [](int64_t size) { return static_cast<int32_t>(size); };
    problem = {narrow(frames),       narrow(exemplars),    narrow(query_length),
               narrow(key_length),   narrow(shapes[0][2]), narrow(shapes[1][2]),
               narrow(shapes[4][2]), problem.top_k,        problem.temperature};
    char message[512] = "";
    check_dense(problem, message, sizeof message);
    return message;
  }

  std::string compute(Ort::KernelContext context) const {
    const Inputs<kInputs> inputs(context);
    DynastDense problem = problem_;
    const std::string error = read_sizes(inputs, problem);
    if (!error.empty()) return error;
    const int64_t frames = problem.frames, length = problem.query_length;
    const DynastDenseForward call = {inputs.data[0],
                                     inputs.data[1],
                                     inputs.data[2],
                                     inputs.data[3],
                                     inputs.data[4],
                                     output(context, 0, {frames, length, problem.value_channels}),
                                     output(context, 1, {frames, length, 1}),
                                     static_cast<int32_t*>(output(context, 2, {frames, length, problem.top_k}))};
#ifdef DYNAST_CUDA
    if (kOn == Device::kCuda)
      return text(gpu_dense(problem, call, kIsHalf ? StorageType::kHalf : kFloat, context.GetGPUComputeStream()));
#endif
    const AttentionKernels* kernels = select_attention_kernels(nullptr);
    (kHalf ? kernels->dense_half : kernels->dense_float)(problem, call, Parallel{run_on_session_threads, &context});
    return {};
  }

  DynastDense problem_ = {};
};

}  // namespace dynast
