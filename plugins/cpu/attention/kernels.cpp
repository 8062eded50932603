// The kernels of one instruction set. Compiled several times, with other -m options and another DYNAST_VARIANT.
#include "cpu/attention/backward.h"
#include "cpu/attention/dense.h"
#include "cpu/attention/forward.h"
#include "cpu/dispatch/variant.h"

namespace dynast {

extern const Kernels DYNAST_TABLE(kernels, DYNAST_VARIANT);
const Kernels DYNAST_TABLE(kernels, DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT),
    DYNAST_VARIANT::forward<float>,
    DYNAST_VARIANT::forward<DYNAST_VARIANT::Half>,
    DYNAST_VARIANT::dense<float>,
    DYNAST_VARIANT::dense<DYNAST_VARIANT::Half>,
    DYNAST_VARIANT::backward,
};

}  // namespace dynast
