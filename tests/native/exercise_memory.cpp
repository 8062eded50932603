// Scratch memory (`cpu/memory/scratch.h`): every block is aligned, belongs to one caller at a time, and is used again.
#include "cpu/memory/scratch.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("%s\n", what);
  std::exit(1);
}

struct Allocation {
  unsigned char* memory;
  uint64_t bytes;
  unsigned char mark;
};

// Allocates and frees at random. What was written into a block has to be there when it is freed.
void exercise(unsigned seed) {
  std::vector<Allocation> all;
  for (int step = 0; step < 20000; ++step) {
    seed = seed * 1664525u + 1013904223u;
    const unsigned draw = seed >> 8;
    if (all.empty() || (draw % 2 && all.size() < 50)) {
      const uint64_t bytes = draw % 7 ? draw % 20000 : draw % (3u << 20);
      const Allocation block = {static_cast<unsigned char*>(dynast::allocate_scratch(bytes)), bytes,
                                static_cast<unsigned char>(draw)};
      expect(reinterpret_cast<uintptr_t>(block.memory) % 64 == 0, "not at the start of a cache line");
      std::memset(block.memory, block.mark, bytes);
      all.push_back(block);
    } else {
      const Allocation block = all[draw % all.size()];
      all[draw % all.size()] = all.back();
      all.pop_back();
      for (uint64_t i = 0; i < block.bytes; i += 997)
        expect(block.memory[i] == block.mark, "one block for two callers");
      dynast::free_scratch(block.memory);
    }
  }
  for (const Allocation& block : all) dynast::free_scratch(block.memory);
}

}  // namespace

int main() {
  void* first = dynast::allocate_scratch(100000);
  dynast::free_scratch(first);
  expect(dynast::allocate_scratch(100000) == first, "a freed block is not used again");
  expect(dynast::allocate_scratch(100000) != first, "one block for two callers");
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 3; ++seed) threads.emplace_back(exercise, seed);
  for (std::thread& thread : threads) thread.join();
  std::printf("kept\n");
}
