// How kernels are started: with the CUDA runtime, or by the tests' emulation, which brings its own form of this.
#pragma once

#ifndef DYNAST_EMULATED

#include <cuda_runtime.h>

#include <utility>

namespace dynast {

using Stream = cudaStream_t;

struct Grid {
  unsigned x, y, z, threads;
};

// Puts a launch on the stream. Errors show in `last_error`.
template <class... Parameters, class... Arguments>
void start(Stream stream, const Grid& grid, void (*kernel)(Parameters...), Arguments&&... arguments) {
  kernel<<<dim3(grid.x, grid.y, grid.z), grid.threads, 0, stream>>>(std::forward<Arguments>(arguments)...);
}

inline void zero(Stream stream, void* memory, size_t bytes) { cudaMemsetAsync(memory, 0, bytes, stream); }

// What went wrong since this was last asked, or null.
inline const char* last_error() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace dynast

#endif
