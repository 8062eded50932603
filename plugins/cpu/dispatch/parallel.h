// How kernels run tasks on threads, whoever owns the threads.
#pragma once

#include <stdint.h>

namespace dynast {

// Runs `task(context, i)` for every i in 0 .. count - 1, on the threads of `owner`, and returns when all are done.
struct Parallel {
  void (*run)(void* owner, int64_t count, void (*task)(void* context, int64_t i), void* context);
  void* owner;

  template <class Task>
  void operator()(int64_t count, Task task) const {
    run(owner, count, [](void* context, int64_t i) { (*static_cast<Task*>(context))(i); }, &task);
  }
};

}  // namespace dynast
