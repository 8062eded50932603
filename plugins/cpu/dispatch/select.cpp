#include "cpu/dispatch/select.h"

#include <cstring>

namespace dynast {

extern const Kernels kernels_plain;
#ifdef DYNAST_X86
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

const Kernels* select_kernels(const char* name) {
  const auto wanted = [name](const Kernels& kernels) {
    return name == nullptr || name[0] == '\0' || std::strcmp(name, kernels.name) == 0;
  };
#ifdef DYNAST_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (avx512 && wanted(kernels_avx512)) return &kernels_avx512;
  if (avx2 && wanted(kernels_avx2)) return &kernels_avx2;
#endif
  return wanted(kernels_plain) ? &kernels_plain : nullptr;
}

}  // namespace dynast
