#include <cstring>
#include <initializer_list>

#include "cpu/map_calls.h"
#include "cpu/select.h"

namespace dynast {

extern const MapKernels maps_plain;
#ifdef DYNAST_X86
extern const MapKernels maps_avx2;
extern const MapKernels maps_avx512;
#endif

const MapKernels* select_map_kernels(const char* name) {
  const Kernels* chosen = select_kernels(name);
  if (!chosen) return nullptr;
#ifdef DYNAST_X86
  for (const MapKernels* kernels : {&maps_avx2, &maps_avx512})
    if (std::strcmp(kernels->name, chosen->name) == 0) return kernels;
#endif
  return &maps_plain;
}

}  // namespace dynast
