// What all kernels share: attributes, inputs, errors and threads of ONNX Runtime.
#pragma once

#ifndef ORT_API_MANUAL_INIT
#define ORT_API_MANUAL_INIT  // nothing is linked: ONNX Runtime hands its functions to RegisterCustomOps
#endif
#include <string>
#include <vector>

#include "cpu/dispatch/parallel.h"
#include "dynast/check.h"
#include "onnxruntime_cxx_api.h"
#ifdef DYNAST_CUDA
#include "cuda/launch.h"
#endif

namespace dynast {

using Shape = std::vector<int64_t>;

inline std::string text(const Shape& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) result += (i ? ", " : "") + std::to_string(shape[i]);
  return result + "]";
}

template <class T>
inline T attribute(const Ort::ConstKernelInfo& info, const char* name) {
  try {
    return info.GetAttribute<T>(name);
  } catch (const Ort::Exception& error) {
    throw Ort::Exception(std::string("attribute ") + name + ": " + error.what(), ORT_INVALID_GRAPH);
  }
}

inline int32_t integer(const Ort::ConstKernelInfo& info, const char* name) {
  const int64_t number = attribute<int64_t>(info, name);
  return number < INT32_MIN || number > INT32_MAX ? -1 : static_cast<int32_t>(number);  // -1 fails the checks
}

// Runs `compute`, which returns an error message or an empty string, and converts it and all exceptions to a status. No
// exception may leave this library.
template <class Compute>
OrtStatusPtr status_of(const char* name, Compute compute) {
  try {
    const std::string message = compute();
    if (message.empty()) return nullptr;
    return Ort::Status((std::string(name) + ": " + message).c_str(), ORT_INVALID_ARGUMENT).release();
  } catch (const Ort::Exception& error) {
    return Ort::Status(error).release();
  } catch (const std::exception& error) {
    return Ort::Status(error).release();
  }
}

// The shapes and addresses of a node's inputs.
template <size_t kCount>
struct Inputs {
  Shape shapes[kCount];
  const void* data[kCount];

  explicit Inputs(const Ort::KernelContext& context) {
    for (size_t i = 0; i < kCount; ++i) {
      const Ort::ConstValue input = context.GetInput(i);
      shapes[i] = input.GetTensorTypeAndShapeInfo().GetShape();
      data[i] = input.GetTensorRawData();
    }
  }
};

// Where an operator runs, and where its tensors are.
enum class Device { kCpu, kCuda };

#ifdef DYNAST_CUDA
inline std::string text(const char* what) { return what ? what : ""; }
#endif

inline void* output(const Ort::KernelContext& context, size_t index, const Shape& shape) {
  return context.GetOutput(index, shape).GetTensorMutableRawData();
}

// What is wrong with the first input that does not have three dimensions, or has an empty one. Empty if all are right.
template <size_t kCount>
std::string rank_error(const char* const (&names)[kCount], const Shape (&shapes)[kCount]) {
  for (size_t i = 0; i < kCount; ++i) {
    if (shapes[i].size() != 3)
      return std::string(names[i]) + " has shape " + text(shapes[i]) + "; it has to have three dimensions";
    for (const int64_t size : shapes[i])
      if (size < 1 || size > INT32_MAX)
        return std::string(names[i]) + " has shape " + text(shapes[i]) + ", which is empty or too large";
  }
  return {};
}

// What is wrong with the first input whose shape does not match those of query and key, the first and third input.
// Empty if all match.
template <size_t kCount>
std::string shape_error(const char* const (&names)[kCount], const Shape (&shapes)[kCount],
                        const Shape (&expected)[kCount]) {
  for (size_t i = 0; i < kCount; ++i)
    if (shapes[i] != expected[i])
      return std::string(names[i]) + " has shape " + text(shapes[i]) + "; with query " + text(shapes[0]) + " and key " +
             text(shapes[2]) + " it has to be " + text(expected[i]);
  return {};
}

// A `Parallel::run` on the threads of the session, which its other operators use too.
inline void run_on_session_threads(void* owner, int64_t count, void (*task)(void*, int64_t), void* context) {
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

}  // namespace dynast
