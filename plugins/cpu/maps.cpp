// The kernels of a rendered frame's layers, of one instruction set; compiled as kernels.cpp is.
#include "cpu/activation.h"
#include "cpu/convolution.h"
#include "cpu/halving.h"
#include "cpu/instance_norm.h"
#include "cpu/spade.h"
#include "cpu/upsampling.h"
#include "cpu/variant.h"

namespace dynast {

extern const MapKernels DYNAST_TABLE(maps, DYNAST_VARIANT);
const MapKernels DYNAST_TABLE(maps, DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT), DYNAST_VARIANT::convolve,     DYNAST_VARIANT::convolve_halving,
    DYNAST_VARIANT::activate,    DYNAST_VARIANT::modulate_map, DYNAST_VARIANT::normalise_map,
    DYNAST_VARIANT::upsample,
};

}  // namespace dynast
