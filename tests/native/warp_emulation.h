// The part of CUDA that g++ needs to run the kernels on the CPU. Every thread of a block is a fiber, and an exchange
// between threads waits for the others. The threads of a mask have to reach the same exchange, and those of a block the
// same barrier. If some skip one, the program stops with a message, where a GPU would give undefined results.
#pragma once

#define DYNAST_EMULATED  // before cuda/start.h

#include <math.h>
#include <setjmp.h>
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
#define __shared__ static  // blocks run one after the other
#define __ldg(address) (*(address))

struct uint4 {
  uint32_t x, y, z, w;
};
struct Index {
  unsigned x, y, z;
};

namespace emulation {

constexpr int kMaxThreads = 256;
constexpr size_t kStack = 64 * 1024;
constexpr int kMaxIdleRounds = 4;  // rounds of all threads without progress

struct Thread {
  jmp_buf place;
  ucontext_t start;
  std::vector<char> stack;
  bool begun = false;
  bool running = false;
  int64_t exchanges = 0, barriers = 0;
  char values[2][16];  // of the last two exchanges
};

inline std::vector<Thread> threads(kMaxThreads);
inline int thread_count = 128;
inline jmp_buf caller;
inline int current;
inline int64_t progress;  // exchanges and barriers that threads have reached
inline std::function<void()> body;

inline void resume(int thread) {
  current = thread;
  if (threads[thread].begun) _longjmp(threads[thread].place, 1);
  threads[thread].begun = true;
  setcontext(&threads[thread].start);
}

inline void next_thread() {
  const int from = current;
  for (int i = 1; i < thread_count; ++i) {
    const int next = (from + i) % thread_count;
    if (!threads[next].running) continue;
    if (threads[from].running && _setjmp(threads[from].place)) return;
    resume(next);
  }
  if (!threads[from].running) _longjmp(caller, 1);
}

inline void run_thread() {
  body();
  threads[current].running = false;
  next_thread();
}

// Runs the other threads until `ready` holds for all of the `count` threads from `first` on that are in `mask`.
template <class Ready>
void wait(const char* what, int first, int count, unsigned mask, Ready ready) {
  const int me = current;
  ++progress;
  int64_t seen = progress;
  for (int round = 0; round < kMaxIdleRounds; ++round) {
    if (progress != seen) round = 0;
    seen = progress;
    int there = 0;
    for (int i = 0; i < count; ++i) there += !(count > 32 || mask >> i & 1u) || ready(threads[first + i]);
    if (there == count) return;
    next_thread();
  }
  fprintf(stderr, "thread %d waits forever at %s: exchange %lld, barrier %lld\n", me, what,
          (long long)threads[me].exchanges, (long long)threads[me].barriers);
  abort();
}

template <class T>
T exchange(unsigned mask, T x, int source_in_warp) {
  Thread& self = threads[current];
  memcpy(self.values[self.exchanges % 2], &x, sizeof x);
  const int64_t reached = ++self.exchanges;
  const int warp = current / 32 * 32;
  wait("an exchange", warp, 32, mask, [&](const Thread& other) { return other.exchanges >= reached; });
  T result;
  memcpy(&result, threads[warp + source_in_warp].values[(reached - 1) % 2], sizeof result);
  return result;
}

}  // namespace emulation

inline Index threadIdx_now() { return {static_cast<unsigned>(emulation::current), 0, 0}; }
inline Index blockIdx, blockDim;
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

template <class T>
T __shfl_up_sync(unsigned mask, T x, int distance, int) {
  const int self = emulation::current % 32;
  return emulation::exchange(mask, x, self >= distance ? self - distance : self);
}

inline unsigned __ballot_sync(unsigned mask, bool yes) {
  unsigned all = 0;
  emulation::exchange(mask, yes, 0);
  const int warp = emulation::current / 32 * 32;
  const int64_t last = emulation::threads[emulation::current].exchanges - 1;
  for (int i = 0; i < 32; ++i) all |= static_cast<unsigned>(emulation::threads[warp + i].values[last % 2][0] & 1) << i;
  return all & mask;
}

inline void __syncthreads() {
  using namespace emulation;
  const int64_t reached = ++threads[current].barriers;
  wait("a barrier", 0, thread_count, ~0u, [&](const Thread& other) { return other.barriers >= reached; });
}

inline void __syncwarp() { emulation::exchange(~0u, 0, 0); }

inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline void atomicAdd(float* to, float x) { *to += x; }

inline float __int_as_float(int32_t bits) {
  float result;
  memcpy(&result, &bits, 4);
  return result;
}

// Runs `kernel` in every thread of every block, one block after the other.
inline void emulate(Index grid, int threads_per_block, std::function<void()> kernel) {
  using namespace emulation;
  body = kernel;
  thread_count = threads_per_block;
  blockDim = {static_cast<unsigned>(threads_per_block), 1, 1};
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        for (int i = 0; i < thread_count; ++i) {
          Thread& thread = threads[i];
          thread.stack.resize(kStack);
          thread.begun = false;
          thread.running = true;
          thread.exchanges = thread.barriers = 0;
          getcontext(&thread.start);
          thread.start.uc_stack.ss_sp = thread.stack.data();
          thread.start.uc_stack.ss_size = kStack;
          thread.start.uc_link = nullptr;
          makecontext(&thread.start, run_thread, 0);
        }
        if (!_setjmp(caller)) resume(0);
      }
}

// The functions of cuda/start.h.
namespace dynast {

using Stream = void*;

struct Grid {
  unsigned x, y, z, threads;
};

template <class... Parameters, class... Arguments>
void start(Stream, const Grid& grid, void (*kernel)(Parameters...), Arguments... arguments) {
  emulate({grid.x, grid.y, grid.z}, static_cast<int>(grid.threads), [=] { kernel(arguments...); });
}

inline void zero(Stream, void* memory, size_t bytes) { memset(memory, 0, bytes); }
inline const char* last_error() { return nullptr; }

}  // namespace dynast
