// Memory for numbers. A class of the standard library would be compiled once for each instruction set under one name.
#pragma once

#include <stdint.h>

#include <new>

#include "dynast/problem.h"

DYNAST_BEGIN

template <class T>
class Numbers {
 public:
  explicit Numbers(int64_t count)
      : numbers_(static_cast<T*>(::operator new(static_cast<uint64_t>(count) * sizeof(T), kLine))) {}
  ~Numbers() { ::operator delete(numbers_, kLine); }
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;

  T* get() const { return numbers_; }

 private:
  static constexpr std::align_val_t kLine{64};  // a line of the cache, so that no vector lies in two
  T* numbers_;
};

using Floats = Numbers<float>;
using Doubles = Numbers<double>;

DYNAST_END
