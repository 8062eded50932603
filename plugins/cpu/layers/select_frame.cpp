#include "cpu/dispatch/select.h"
#include "cpu/layers/kernels.h"

namespace dynast {

DYNAST_SELECT(select_frame_kernels, frame, FrameLayerKernels)

}  // namespace dynast
