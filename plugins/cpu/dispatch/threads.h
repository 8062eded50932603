// Threads for the C interface, whose callers have no thread pool to offer.
#pragma once

#include <stdint.h>

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#if __has_include(<dlfcn.h>)
#include <dlfcn.h>
#endif

namespace dynast {

// GNU OpenMP's entry point: runs `part(context)` on `threads` threads and waits for all. Compilers call it, so it is
// part of that library's ABI; LLVM's and Intel's OpenMP libraries have it too.
using OpenMpParallel = void (*)(void (*part)(void*), void* context, unsigned threads, unsigned flags);

// That of the OpenMP library which the process has loaded with global symbols, as PyTorch does with its own; or null.
//
// PyTorch's threads busy-wait for some milliseconds after each of its operations. Other threads would compete with them
// for the processors: two threads would then take longer than one. And a thread that busy-waits starts at once.
inline OpenMpParallel loaded_openmp() {
#if __has_include(<dlfcn.h>)
  static const OpenMpParallel parallel = reinterpret_cast<OpenMpParallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  return parallel;
#else
  return nullptr;
#endif
}

// A `Parallel::run` on at most `*owner` (an int) threads. Without OpenMP the threads exist for this call only: starting
// one takes some ten microseconds, and none is left over at a fork, an unload or the end of the program.
inline void run_on_threads(void* owner, int64_t count, void (*task)(void*, int64_t), void* context) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) task(context, i);
  };
  const int64_t wanted = *static_cast<int*>(owner) < count ? *static_cast<int*>(owner) : count;
  if (wanted <= 1) return work();
  if (const OpenMpParallel parallel = loaded_openmp()) {
    parallel([](void* of_all) { (*static_cast<decltype(&work)>(of_all))(); },
             const_cast<void*>(static_cast<const void*>(&work)), static_cast<unsigned>(wanted), 0);
    return;
  }
  std::vector<std::thread> helpers;
  try {
    for (int64_t i = 1; i < wanted; ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads available: those that started do the work
  }
  work();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace dynast
