// dynast::InterScaleAttention and dynast::InnerScaleAttention.
//
// Inputs   query [N, Lq, C], query_prune [N, Lq, P], key [E, Lk, C], key_prune [E, Lk, P], value [E, Lk, V], all
//          float or all float16, and matches [N, Lq / 4 or Lq, K] int32; E is 1 or N.
// Outputs  attended [N, Lq, V], confidence [N, Lq, 1], matches [N, Lq, top_k] int32.
// Attributes query_width, key_width, top_k (integers), temperature (float). Others are for TensorRT, and ignored.
#pragma once

#include "cpu/attention/kernels.h"
#include "ort/kernel.h"

namespace dynast {

template <bool kInner, bool kIsHalf, Device kOn>
class SparseKernel {
 public:
  static constexpr const char* kName = kInner ? "InnerScaleAttention" : "InterScaleAttention";
  static constexpr bool kHalf = kIsHalf;
  static constexpr Device kDevice = kOn;
  static constexpr size_t kInputs = 6;
  static constexpr size_t kMatches = 5;

  explicit SparseKernel(const Ort::ConstKernelInfo& info) {
    problem_.inner = kInner;
    problem_.query_width = integer(info, "query_width");
    problem_.key_width = integer(info, "key_width");
    problem_.top_k = integer(info, "top_k");
    problem_.temperature = attribute<float>(info, "temperature");
  }

  OrtStatusPtr ComputeV2(OrtKernelContext* context) {
    return status_of(kName, [&] { return compute(Ort::KernelContext(context)); });
  }

 private:
  // Fills in the sizes of `problem`. Returns what is wrong with the inputs' shapes, or an empty string.
  static std::string read_sizes(const Inputs<kInputs>& inputs, DynastProblem& problem) {
    const auto& shapes = inputs.shapes;
    static constexpr const char* kNames[] = {"query", "query_prune", "key", "key_prune", "value", "matches"};
    std::string error = rank_error(kNames, shapes);
    if (!error.empty()) return error;
    const int64_t frames = shapes[0][0], query_length = shapes[0][1], exemplars = shapes[2][0];
    const int64_t key_length = shapes[2][1], matches_length = kInner ? query_length : query_length / 4;
    const struct {
      const char* name;
      int64_t length, width;
    } maps[] = {{"query", query_length, problem.query_width}, {"key", key_length, problem.key_width}};
    for (const auto& map : maps)
      if (map.width < 1 || map.length % map.width)
        return std::string(map.name) + " has " + std::to_string(map.length) + " tokens, which is not a multiple of " +
               map.name + "_width " + std::to_string(map.width);
    error = shape_error(kNames, shapes,
                        {shapes[0],
                         {frames, query_length, shapes[1][2]},
                         {exemplars, key_length, shapes[0][2]},
                         {exemplars, key_length, shapes[1][2]},
                         {exemplars, key_length, shapes[4][2]},
                         {frames, matches_length, shapes[5][2]}});
    if (!error.empty()) return error;
    problem.frames = static_cast<int32_t>(frames);
    problem.exemplars = static_cast<int32_t>(exemplars);
    problem.query_height = static_cast<int32_t>(query_length / problem.query_width);
    problem.key_height = static_cast<int32_t>(key_length / problem.key_width);
    problem.channels = static_cast<int32_t>(shapes[0][2]);
    problem.prune_channels = static_cast<int32_t>(shapes[1][2]);
    problem.value_channels = static_cast<int32_t>(shapes[4][2]);
    problem.matches_k = static_cast<int32_t>(shapes[5][2]);
    char message[512];
    check_problem(problem, message, sizeof message);
    // Matches on a GPU are not checked, since that would have to wait for it. Its kernels clamp them to the map.
    if (kOn == Device::kCpu && message[0] == '\0')
      check_matches(problem, static_cast<const int32_t*>(inputs.data[5]), message, sizeof message);
    return message;
  }

  std::string compute(Ort::KernelContext context) const {
    const Inputs<kInputs> inputs(context);
    DynastProblem problem = problem_;
    const std::string error = read_sizes(inputs, problem);
    if (!error.empty()) return error;
    const int64_t frames = problem.frames, length = inputs.shapes[0][1];
    const DynastForward call = {inputs.data[0],
                                inputs.data[1],
                                inputs.data[2],
                                inputs.data[3],
                                inputs.data[4],
                                static_cast<const int32_t*>(inputs.data[5]),
                                nullptr,
                                output(context, 0, {frames, length, problem.value_channels}),
                                output(context, 1, {frames, length, 1}),
                                static_cast<int32_t*>(output(context, 2, {frames, length, problem.top_k})),
                                nullptr};
#ifdef DYNAST_CUDA
    if (kOn == Device::kCuda)
      return text(gpu_forward(problem, call, kIsHalf ? StorageType::kHalf : kFloat, 0, context.GetGPUComputeStream()));
#endif
    const AttentionKernels* kernels = select_attention_kernels(nullptr);
    (kHalf ? kernels->forward_half : kernels->forward_float)(problem, call, Parallel{run_on_session_threads, &context});
    return {};
  }

  DynastProblem problem_ = {};
};

}  // namespace dynast
