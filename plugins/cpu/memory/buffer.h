// Memory for numbers. A class of the standard library would be compiled once for each instruction set under one name.
#pragma once

#include "cpu/memory/scratch.h"
#include "dynast/problem.h"

DYNAST_BEGIN

// At the start of a cache line, so that no vector lies in two.
template <class T>
class Numbers {
 public:
  explicit Numbers(int64_t count) : numbers_(static_cast<T*>(borrow(static_cast<uint64_t>(count) * sizeof(T)))) {}
  ~Numbers() { give_back(numbers_); }
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;

  T* get() const { return numbers_; }

 private:
  T* numbers_;
};

using Floats = Numbers<float>;
using Doubles = Numbers<double>;

DYNAST_END
