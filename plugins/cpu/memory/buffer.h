// Arrays of numbers for one task. A class of the standard library would be compiled for each instruction set under one
// name, and the linker would keep one of them for all.
#pragma once

#include "cpu/memory/scratch.h"
#include "dynast/problem.h"

DYNAST_BEGIN

// Not initialized. Starts at a cache line, so that no vector crosses two lines.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t count)
      : numbers_(static_cast<T*>(allocate_scratch(static_cast<uint64_t>(count) * sizeof(T)))) {}
  ~Buffer() { free_scratch(numbers_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* get() const { return numbers_; }

 private:
  T* numbers_;
};

using Floats = Buffer<float>;
using Doubles = Buffer<double>;

DYNAST_END
