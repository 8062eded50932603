#include "cpu/attention/kernels.h"
#include "cpu/dispatch/select.h"

namespace dynast {

DYNAST_SELECT(select_attention_kernels, attention, AttentionKernels)

}  // namespace dynast
