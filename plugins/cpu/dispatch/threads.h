// Threads for callers that have none to lend.
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

// GNU OpenMP's entry point: runs `part(context)` on `threads` threads and waits for all. It is part of that library's
// ABI, which compilers call; LLVM's and Intel's libraries have it too.
using Team = void (*)(void (*part)(void*), void* context, unsigned threads, unsigned flags);

// The team of the OpenMP library that the process has loaded for all to see, as PyTorch does with its own, or null.
//
// Threads of PyTorch's wait in a loop for some milliseconds after each of its operations. Others beside them share the
// processors with that loop: two threads then take longer than one. And a thread that waits so is at work at once.
inline Team loaded_team() {
#if __has_include(<dlfcn.h>)
  static const Team team = reinterpret_cast<Team>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  return team;
#else
  return nullptr;
#endif
}

// `*owner` (an int) threads at most. Where there is no team, threads live as long as one pass: starting one costs some
// ten microseconds, and nothing is left behind for a fork, an unload or the end of the program to trip over.
inline void run_on_threads(void* owner, int64_t count, void (*task)(void*, int64_t), void* context) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) task(context, i);
  };
  const int64_t wanted = *static_cast<int*>(owner) < count ? *static_cast<int*>(owner) : count;
  if (wanted <= 1) return work();
  if (const Team team = loaded_team()) {
    team([](void* of_all) { (*static_cast<decltype(&work)>(of_all))(); },
         const_cast<void*>(static_cast<const void*>(&work)), static_cast<unsigned>(wanted), 0);
    return;
  }
  std::vector<std::thread> helpers;
  try {
    for (int64_t i = 1; i < wanted; ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads to be had: those that are there do the work
  }
  work();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace dynast
