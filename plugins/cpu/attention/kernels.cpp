// The attention kernels of one instruction set. Compiled once for each, with its -m options and its DYNAST_VARIANT.
#include "cpu/attention/kernels.h"

#include "cpu/attention/backward.h"
#include "cpu/attention/dense.h"
#include "cpu/attention/forward.h"
#include "cpu/dispatch/variant.h"

namespace dynast {

extern const AttentionKernels DYNAST_TABLE(attention, DYNAST_VARIANT);
const AttentionKernels DYNAST_TABLE(attention, DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT),
    DYNAST_VARIANT::forward<float>,
    DYNAST_VARIANT::forward<DYNAST_VARIANT::Half>,
    DYNAST_VARIANT::dense<float>,
    DYNAST_VARIANT::dense<DYNAST_VARIANT::Half>,
    DYNAST_VARIANT::backward,
};

}  // namespace dynast
