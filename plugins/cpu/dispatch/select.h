// Which compiled variants this processor can run.
#pragma once

#include <cstring>
#include <initializer_list>

#include "dynast/calls.h"

namespace dynast {

// The fastest variant that runs here, or the one of that name; null where it does not exist or cannot run.
const Kernels* select_kernels(const char* name);

// Of tables that there are for each variant, that of the variant which `select_kernels` chooses; null where that is.
template <class Table>
const Table* select_table(const char* name, std::initializer_list<const Table*> tables) {
  const Kernels* chosen = select_kernels(name);
  if (!chosen) return nullptr;
  for (const Table* table : tables)
    if (std::strcmp(table->name, chosen->name) == 0) return table;
  return nullptr;
}

// What is wrong with a problem's numbers, or with the matches' values, as one line; empty if nothing is.
// `message` has room for `size` characters.
void check_problem(const DynastProblem& problem, char* message, int size);
void check_dense(const DynastDense& problem, char* message, int size);
void check_matches(const DynastProblem& problem, const int32_t* matches, char* message, int size);

}  // namespace dynast
