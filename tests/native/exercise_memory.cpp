// Memory that a thread keeps (`cpu/memory.h`): pieces come back aligned, whole and only once at a time.
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

struct Lent {
  unsigned char* memory;
  uint64_t bytes;
  unsigned char mark;
};

// Borrows and gives back at random; what was written into a piece has to be there when it goes back.
void exercise(unsigned seed) {
  std::vector<Lent> all;
  for (int step = 0; step < 20000; ++step) {
    seed = seed * 1664525u + 1013904223u;
    const unsigned draw = seed >> 8;
    if (all.empty() || (draw % 2 && all.size() < 50)) {
      const uint64_t bytes = draw % 7 ? draw % 20000 : draw % (3u << 20);
      const Lent lent = {static_cast<unsigned char*>(dynast::borrow(bytes)), bytes, static_cast<unsigned char>(draw)};
      expect(reinterpret_cast<uintptr_t>(lent.memory) % 64 == 0, "not at the start of a cache line");
      std::memset(lent.memory, lent.mark, bytes);
      all.push_back(lent);
    } else {
      const Lent lent = all[draw % all.size()];
      all[draw % all.size()] = all.back();
      all.pop_back();
      for (uint64_t i = 0; i < lent.bytes; i += 997) expect(lent.memory[i] == lent.mark, "lent twice at a time");
      dynast::give_back(lent.memory);
    }
  }
  for (const Lent& lent : all) dynast::give_back(lent.memory);
}

}  // namespace

int main() {
  void* first = dynast::borrow(100000);
  dynast::give_back(first);
  expect(dynast::borrow(100000) == first, "asked for again, and not the same");
  expect(dynast::borrow(100000) != first, "lent twice at a time");
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 3; ++seed) threads.emplace_back(exercise, seed);
  for (std::thread& thread : threads) thread.join();
  std::printf("kept\n");
}
