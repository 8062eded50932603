// Scratch memory that each thread keeps between calls.
//
// Layers need the same sizes again and again, some of them in every task. The C library's allocator would search lists
// of many free blocks of other sizes, and return memory that is no longer in the caches.
#pragma once

#include <stdint.h>

namespace dynast {

// Starts at a cache line. The same thread has to call `free_scratch`. Throws std::bad_alloc.
void* allocate_scratch(uint64_t bytes);
void free_scratch(void* memory) noexcept;

}  // namespace dynast
