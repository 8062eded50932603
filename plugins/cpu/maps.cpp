// The kernels of a rendered frame's layers, of one instruction set; compiled as kernels.cpp is.
#include "cpu/activation.h"
#include "cpu/convolution.h"
#include "cpu/halving.h"
#include "cpu/instance_norm.h"
#include "cpu/spade.h"
#include "cpu/upsampling.h"

#define DYNAST_TEXT_OF(name) #name
#define DYNAST_TEXT(name) DYNAST_TEXT_OF(name)
#define DYNAST_TABLE_OF(name) maps_##name
#define DYNAST_TABLE(name) DYNAST_TABLE_OF(name)

namespace dynast {

extern const MapKernels DYNAST_TABLE(DYNAST_VARIANT);
const MapKernels DYNAST_TABLE(DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT), DYNAST_VARIANT::convolve,     DYNAST_VARIANT::convolve_halving,
    DYNAST_VARIANT::activate,    DYNAST_VARIANT::modulate_map, DYNAST_VARIANT::normalise_map,
    DYNAST_VARIANT::upsample,
};

}  // namespace dynast
