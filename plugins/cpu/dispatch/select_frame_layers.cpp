#include "cpu/dispatch/select.h"
#include "cpu/layers/frame_calls.h"

namespace dynast {

extern const MapKernels maps_plain;
#ifdef DYNAST_X86
extern const MapKernels maps_avx2;
extern const MapKernels maps_avx512;
#endif

const MapKernels* select_map_kernels(const char* name) {
#ifdef DYNAST_X86
  return select_table(name, {&maps_plain, &maps_avx2, &maps_avx512});
#else
  return select_table(name, {&maps_plain});
#endif
}

}  // namespace dynast
