// Threads of our own, for callers that have none to lend.
#pragma once

#include <stdint.h>

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace dynast {

// Threads live as long as one pass. Starting one costs some ten microseconds, and nothing is left behind for
// a fork, an unload or the end of the program to trip over.
inline void run_on_threads(void* owner, int64_t count, void (*task)(void*, int64_t), void* context) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) task(context, i);
  };
  const int64_t wanted = *static_cast<int*>(owner) < count ? *static_cast<int*>(owner) : count;
  std::vector<std::thread> helpers;
  try {
    for (int64_t i = 1; i < wanted; ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads to be had: those that are there do the work
  }
  work();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace dynast
