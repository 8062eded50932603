// The training layers' kernels of one instruction set; compiled as kernels.cpp is.
#include "cpu/activation.h"
#include "cpu/convolution.h"
#include "cpu/modulation.h"

#define DYNAST_TEXT_OF(name) #name
#define DYNAST_TEXT(name) DYNAST_TEXT_OF(name)
#define DYNAST_TABLE_OF(name) layers_##name
#define DYNAST_TABLE(name) DYNAST_TABLE_OF(name)

namespace dynast {

extern const LayerKernels DYNAST_TABLE(DYNAST_VARIANT);
const LayerKernels DYNAST_TABLE(DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT),       DYNAST_VARIANT::convolve,      DYNAST_VARIANT::convolve_back,
    DYNAST_VARIANT::correlate,         DYNAST_VARIANT::modulate,      DYNAST_VARIANT::modulate_back,
    DYNAST_VARIANT::activate,          DYNAST_VARIANT::activate_back,
};

}  // namespace dynast
