// Which compiled variant this processor runs.
#pragma once

#include <cstring>
#include <initializer_list>

namespace dynast {

// The name of the fastest variant that runs here, or `name` itself if it is neither null nor empty. Null where no
// variant has that name, or this processor cannot run it.
const char* select_variant(const char* name);

// The table of the variant that `select_variant` chooses, among tables that each belong to one variant.
template <class Table>
const Table* select_table(const char* name, std::initializer_list<const Table*> tables) {
  const char* const chosen = select_variant(name);
  if (!chosen) return nullptr;
  for (const Table* table : tables)
    if (std::strcmp(table->name, chosen) == 0) return table;
  return nullptr;
}

}  // namespace dynast

// Defines `function(name)`, which selects among the tables kind_plain, kind_avx2 and kind_avx512.
#ifdef DYNAST_X86
#define DYNAST_SELECT(function, kind, Table)                   \
  extern const Table kind##_plain, kind##_avx2, kind##_avx512; \
  const Table* function(const char* name) { return select_table(name, {&kind##_plain, &kind##_avx2, &kind##_avx512}); }
#else
#define DYNAST_SELECT(function, kind, Table) \
  extern const Table kind##_plain;           \
  const Table* function(const char* name) { return select_table(name, {&kind##_plain}); }
#endif
