// The kernels of a rendered frame's layers, of one instruction set; compiled as kernels.cpp is.
#include "cpu/convolution/convolution.h"
#include "cpu/convolution/stride2.h"
#include "cpu/dispatch/variant.h"
#include "cpu/layers/activation.h"
#include "cpu/layers/instance_norm.h"
#include "cpu/layers/spade.h"
#include "cpu/layers/upsampling.h"

namespace dynast {

extern const MapKernels DYNAST_TABLE(maps, DYNAST_VARIANT);
const MapKernels DYNAST_TABLE(maps, DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT), DYNAST_VARIANT::convolve,     DYNAST_VARIANT::convolve_halving,
    DYNAST_VARIANT::activate,    DYNAST_VARIANT::modulate_map, DYNAST_VARIANT::normalise_map,
    DYNAST_VARIANT::upsample,
};

}  // namespace dynast
