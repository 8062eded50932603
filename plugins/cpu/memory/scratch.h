// Scratch memory that each thread keeps between calls.
//
// Layers want the same sizes again and again, some from every task. Asked each time, the C library searches lists of
// many free pieces of other sizes, and gives memory that has left the caches.
#pragma once

#include <stdint.h>

namespace dynast {

// At the start of a cache line; `give_back` has to be called by the same thread. Throws std::bad_alloc.
void* borrow(uint64_t bytes);
void give_back(void* memory) noexcept;

}  // namespace dynast
