#include "cpu/dispatch/select.h"

namespace dynast {
namespace {

bool wanted(const char* variant, const char* name) {
  return name == nullptr || name[0] == '\0' || std::strcmp(name, variant) == 0;
}

}  // namespace

const char* select_variant(const char* name) {
#ifdef DYNAST_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (avx512 && wanted("avx512", name)) return "avx512";
  if (avx2 && wanted("avx2", name)) return "avx2";
#endif
  return wanted("plain", name) ? "plain" : nullptr;
}

}  // namespace dynast
