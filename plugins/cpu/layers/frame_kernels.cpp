// The kernels of a rendered frame's layers, of one instruction set. Compiled once for each, with its -m options and its
// DYNAST_VARIANT.
#include "cpu/convolution/convolution.h"
#include "cpu/convolution/stride2.h"
#include "cpu/dispatch/variant.h"
#include "cpu/layers/activation.h"
#include "cpu/layers/instance_norm.h"
#include "cpu/layers/kernels.h"
#include "cpu/layers/spade.h"
#include "cpu/layers/upsampling.h"

namespace dynast {

extern const FrameLayerKernels DYNAST_TABLE(frame, DYNAST_VARIANT);
const FrameLayerKernels DYNAST_TABLE(frame, DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT), DYNAST_VARIANT::convolve, DYNAST_VARIANT::convolve_stride2,
    DYNAST_VARIANT::activate,    DYNAST_VARIANT::spade,    DYNAST_VARIANT::instance_norm,
    DYNAST_VARIANT::upsample,
};

}  // namespace dynast
