// The kernels of one instruction set. Compiled several times, with other -m options and another DYNAST_VARIANT.
#include "cpu/backward.h"
#include "cpu/dense.h"
#include "cpu/forward.h"

#define DYNAST_TEXT_OF(name) #name
#define DYNAST_TEXT(name) DYNAST_TEXT_OF(name)
#define DYNAST_TABLE_OF(name) kernels_##name
#define DYNAST_TABLE(name) DYNAST_TABLE_OF(name)

namespace dynast {

extern const Kernels DYNAST_TABLE(DYNAST_VARIANT);
const Kernels DYNAST_TABLE(DYNAST_VARIANT) = {
    DYNAST_TEXT(DYNAST_VARIANT),
    DYNAST_VARIANT::forward<float>,
    DYNAST_VARIANT::forward<DYNAST_VARIANT::Half>,
    DYNAST_VARIANT::dense<float>,
    DYNAST_VARIANT::dense<DYNAST_VARIANT::Half>,
    DYNAST_VARIANT::backward,
};

}  // namespace dynast
