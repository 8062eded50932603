// Just enough of CUDA for g++ to run a kernel on the CPU: every thread of a block is a fiber, and an exchange between
// threads switches to the next one. Threads that exchange have to agree on which exchange it is; a kernel in which
// some of a mask's threads skip one stops here with a message, where a GPU would give undefined results.
#pragma once

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <functional>
#include <vector>

#define __global__
#define __device__
#define __launch_bounds__(...)
#define __ldg(address) (*(address))

struct uint4 {
  uint32_t x, y, z, w;
};
struct Index {
  unsigned x;
};

namespace emulation {

constexpr int kThreads = 128;
constexpr size_t kStack = 64 * 1024;

struct Thread {
  ucontext_t context;
  std::vector<char> stack;
  bool running = false;
  int64_t exchanges = 0;
  char values[2][16];  // of the last two exchanges
};

inline std::vector<Thread> threads(kThreads);
inline ucontext_t caller;
inline int current;
inline std::function<void()> body;

inline void next_thread(bool finished) {
  threads[current].running = !finished;
  const int from = current;
  for (int i = 1; i <= kThreads; ++i) {
    const int next = (from + i) % kThreads;
    if (!threads[next].running) continue;
    current = next;
    if (next != from) swapcontext(&threads[from].context, &threads[next].context);
    return;
  }
  setcontext(&caller);
}

inline void run_thread() {
  body();
  next_thread(true);
}

template <class T>
T exchange(unsigned mask, T x, int source_in_warp) {
  Thread& self = threads[current];
  const int me = current;
  memcpy(self.values[self.exchanges++ % 2], &x, sizeof x);
  next_thread(false);
  const int warp = me / 32 * 32;
  for (int i = 0; i < 32; ++i) {
    const Thread& other = threads[warp + i];
    const int64_t ahead = other.exchanges - self.exchanges;
    // Those that run before this one in a round may be one exchange further.
    if (mask >> i & 1u && !(ahead == 0 || (ahead == 1 && warp + i < me))) {
      fprintf(stderr, "thread %d is at exchange %lld, thread %d at %lld\n", me, (long long)self.exchanges, warp + i,
              (long long)other.exchanges);
      abort();
    }
  }
  T result;
  memcpy(&result, threads[warp + source_in_warp].values[(self.exchanges - 1) % 2], sizeof result);
  return result;
}

}  // namespace emulation

inline Index threadIdx_now() { return {static_cast<unsigned>(emulation::current)}; }
inline Index blockIdx;
inline Index blockDim = {emulation::kThreads};
#define threadIdx threadIdx_now()

template <class T>
T __shfl_sync(unsigned mask, T x, int lane, int width) {
  const int self = emulation::current % 32;
  return emulation::exchange(mask, x, self / width * width + lane % width);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T x, int distance, int) {
  return emulation::exchange(mask, x, emulation::current % 32 ^ distance);
}

inline float __int_as_float(int32_t bits) {
  float result;
  memcpy(&result, &bits, 4);
  return result;
}

// Runs `kernel` in every thread of every block, one block after the other.
inline void emulate(int blocks, std::function<void()> kernel) {
  using namespace emulation;
  body = kernel;
  for (int block = 0; block < blocks; ++block) {
    blockIdx.x = static_cast<unsigned>(block);
    for (Thread& thread : threads) {
      thread.stack.resize(kStack);
      thread.running = true;
      thread.exchanges = 0;
      getcontext(&thread.context);
      thread.context.uc_stack.ss_sp = thread.stack.data();
      thread.context.uc_stack.ss_size = kStack;
      thread.context.uc_link = nullptr;
      makecontext(&thread.context, run_thread, 0);
    }
    current = 0;
    swapcontext(&caller, &threads[0].context);
  }
}
