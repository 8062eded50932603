// Memory for numbers. A class of the standard library would be compiled once for each instruction set under one name.
#pragma once

#include <stdint.h>

#include "dynast/problem.h"

DYNAST_BEGIN

class Floats {
 public:
  explicit Floats(int64_t count) : numbers_(new float[static_cast<uint64_t>(count)]) {}
  ~Floats() { delete[] numbers_; }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;

  float* get() const { return numbers_; }

 private:
  float* numbers_;
};

DYNAST_END
