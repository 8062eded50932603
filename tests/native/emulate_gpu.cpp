// The GPU kernels compiled for the CPU, for tests on machines without a GPU.
#include "warp_emulation.h"  // before CUDA code

#include "cuda/attention.cu"
#include "cuda/c_api.cpp"
#include "cuda/launch.cu"

// Runs the kernel with this name in `blocks` blocks of 128 threads. Returns 0 if there is no such kernel. `pointers`
// are the six inputs and three outputs, `numbers` the twelve integers between them.
extern "C" int emulate_kernel(const char* name, int blocks, void** pointers, const int32_t* numbers) {
#define DYNAST_TRY(scale, type_name, type, team)                                                                     \
  if (strcmp(name, "dynast_" #scale "_" #type_name "_" #team) == 0) {                                                \
    emulate({static_cast<unsigned>(blocks), 1, 1}, dynast::kBlockThreads, [&] {                                      \
      const auto in = [&](int i) { return static_cast<const type*>(pointers[i]); };                                  \
      const int32_t* n = numbers;                                                                                    \
      dynast_##scale##_##type_name##_##team(                                                                         \
          in(0), in(1), in(2), in(3), in(4), static_cast<const int32_t*>(pointers[5]), n[0], n[1], n[2], n[3], n[4], \
          n[5], n[6], n[7], n[8], n[9], n[10], n[11], static_cast<type*>(pointers[6]),                               \
          static_cast<type*>(pointers[7]), static_cast<int32_t*>(pointers[8]));                                      \
    });                                                                                                              \
    return 1;                                                                                                        \
  }
#define DYNAST_TRY_ALL(type_name, type)  \
  DYNAST_TRY(inter, type_name, type, 8)  \
  DYNAST_TRY(inter, type_name, type, 16) \
  DYNAST_TRY(inter, type_name, type, 32) \
  DYNAST_TRY(inner, type_name, type, 8) DYNAST_TRY(inner, type_name, type, 16) DYNAST_TRY(inner, type_name, type, 32)
  DYNAST_TRY_ALL(float, float)
  DYNAST_TRY_ALL(half, dynast::Half)
  DYNAST_TRY_ALL(bfloat, dynast::Bfloat)
  return 0;
}
