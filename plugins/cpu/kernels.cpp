// The kernels of one instruction set. Compiled several times, with other -m options and another DYNAST_VARIANT.
#include "cpu/backward.h"
#include "cpu/dense.h"
#include "cpu/forward.h"
#include "cpu/variant.h"

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
