// Entry points of the GPU kernels: dynast_{inter,inner}_{float,half,bfloat}_{8,16,32}.
//
// Parameters are those that TensorRT passes to an ahead-of-time plugin: inputs, 32-bit integers, outputs. `temperature`
// is the bit pattern of a float. Launch with blocks of 128 threads, and 8, 16 or 32 threads for each of
// frames * ceil(query_height / 2) * ceil(query_width / 2) * 4 queries.
#include "cuda/attention.cuh"

#define DYNAST_KERNEL(scale, is_inner, name, type, team)                                                           \
  extern "C" __global__ void __launch_bounds__(dynast::kBlockThreads, 4) dynast_##scale##_##name##_##team(         \
      const type* query, const type* query_prune, const type* key, const type* key_prune, const type* value,       \
      const int32_t* matches, int32_t frames, int32_t exemplars, int32_t query_height, int32_t query_width,        \
      int32_t key_height, int32_t key_width, int32_t channels, int32_t prune_channels, int32_t value_channels,     \
      int32_t matches_k, int32_t top_k, int32_t temperature, type* attended, type* confidence,                     \
      int32_t* next_matches) {                                                                                     \
    DynastProblem problem = {is_inner,       frames,      exemplars,                                               \
                             query_height,   query_width, key_height,                                              \
                             key_width,      channels,    prune_channels,                                          \
                             value_channels, 0,           matches_k,                                               \
                             top_k,          0,           __int_as_float(temperature)};                            \
    dynast::attend<type, team>(problem, {query, query_prune, key, key_prune, value, matches, attended, confidence, \
                                         next_matches, nullptr, nullptr});                                         \
  }

#ifdef DYNAST_ONLY_TEAM  // one kernel, for a plan that carries its own copy
#define DYNAST_KERNEL_OF(scale, is_inner, name, type, team) DYNAST_KERNEL(scale, is_inner, name, type, team)
DYNAST_KERNEL_OF(DYNAST_ONLY_SCALE, DYNAST_ONLY_INNER, DYNAST_ONLY_NAME, DYNAST_ONLY_TYPE, DYNAST_ONLY_TEAM)
#else
#define DYNAST_TEAMS(scale, is_inner, name, type) \
  DYNAST_KERNEL(scale, is_inner, name, type, 8)   \
  DYNAST_KERNEL(scale, is_inner, name, type, 16)  \
  DYNAST_KERNEL(scale, is_inner, name, type, 32)

DYNAST_TEAMS(inter, 0, float, float)
DYNAST_TEAMS(inner, 1, float, float)
DYNAST_TEAMS(inter, 0, half, dynast::Half)
DYNAST_TEAMS(inner, 1, half, dynast::Half)
DYNAST_TEAMS(inter, 0, bfloat, dynast::Bfloat)
DYNAST_TEAMS(inner, 1, bfloat, dynast::Bfloat)
#endif
