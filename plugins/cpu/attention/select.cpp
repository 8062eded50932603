#include "cpu/dispatch/select.h"
#include "cpu/attention/kernels.h"

namespace dynast {

DYNAST_SELECT(select_attention_kernels, attention, AttentionKernels)

}  // namespace dynast
