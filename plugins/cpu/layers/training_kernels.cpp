// The training layers' kernels of one instruction set. Compiled once for each, with its -m options and its
// DYNAST_VARIANT.
#include "cpu/convolution/convolution.h"
#include "cpu/dispatch/variant.h"
#include "cpu/layers/activation.h"
#include "cpu/layers/kernels.h"
#include "cpu/layers/modulation.h"
#include "cpu/layers/norm.h"
#include "cpu/layers/projection.h"
#include "cpu/layers/spectral_norm.h"
#include "cpu/layers/unit_tokens.h"
#include "cpu/layers/upsampling.h"

namespace dynast {

extern const TrainingLayerKernels DYNAST_TABLE(training, DYNAST_VARIANT);
const TrainingLayerKernels DYNAST_TABLE(training, DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT),        DYNAST_VARIANT::convolve,
    DYNAST_VARIANT::convolve_back,      DYNAST_VARIANT::modulate,
    DYNAST_VARIANT::modulate_back,      DYNAST_VARIANT::unit_tokens,
    DYNAST_VARIANT::unit_tokens_back,   DYNAST_VARIANT::project,
    DYNAST_VARIANT::project_back,       DYNAST_VARIANT::norm,
    DYNAST_VARIANT::norm_back,          DYNAST_VARIANT::activate,
    DYNAST_VARIANT::activate_back,      DYNAST_VARIANT::spectral_norm,
    DYNAST_VARIANT::spectral_norm_back, DYNAST_VARIANT::upsample,
    DYNAST_VARIANT::upsample_back,
};

}  // namespace dynast
