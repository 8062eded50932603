// Which compiled variants this processor can run.
#pragma once

#include "cpu/calls.h"

namespace dynast {

// The fastest variant that runs here, or the one of that name; null where it does not exist or cannot run.
const Kernels* select_kernels(const char* name);

// What is wrong with a problem's numbers, or with the matches' values, as one line; empty if nothing is.
// `message` has room for `size` characters.
void check_problem(const DynastProblem& problem, char* message, int size);
void check_dense(const DynastDense& problem, char* message, int size);
void check_matches(const DynastProblem& problem, const int32_t* matches, char* message, int size);

}  // namespace dynast
