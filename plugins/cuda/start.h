// How kernels are launched: with the CUDA runtime. The tests' emulation has functions of the same names.
#pragma once

#ifndef DYNAST_EMULATED

#include <cuda_runtime.h>

#include <utility>

namespace dynast {

using Stream = cudaStream_t;

struct Grid {
  unsigned x, y, z, threads;
};

// Launches a kernel on the stream. `last_error` returns its errors.
template <class... Parameters, class... Arguments>
void start(Stream stream, const Grid& grid, void (*kernel)(Parameters...), Arguments&&... arguments) {
  kernel<<<dim3(grid.x, grid.y, grid.z), grid.threads, 0, stream>>>(std::forward<Arguments>(arguments)...);
}

inline void zero(Stream stream, void* memory, size_t bytes) { cudaMemsetAsync(memory, 0, bytes, stream); }

// The error message of the first failure since the last call, or null.
inline const char* last_error() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace dynast

#endif
