#include "cpu/dispatch/select.h"
#include "cpu/layers/kernels.h"

namespace dynast {

DYNAST_SELECT(select_training_kernels, training, TrainingLayerKernels)

}  // namespace dynast
