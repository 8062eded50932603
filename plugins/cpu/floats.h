// Memory for numbers. A class of the standard library would be compiled once for each instruction set under one name.
#pragma once

#include <stdint.h>

#include <new>

#include "dynast/problem.h"

DYNAST_BEGIN

class Floats {
 public:
  explicit Floats(int64_t count)
      : numbers_(static_cast<float*>(::operator new(static_cast<uint64_t>(count) * sizeof(float), kLine))) {}
  ~Floats() { ::operator delete(numbers_, kLine); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;

  float* get() const { return numbers_; }

 private:
  static constexpr std::align_val_t kLine{64};  // a line of the cache, so that no vector lies in two
  float* numbers_;
};

DYNAST_END
