// The C interface of the training layers. Conventions are those of attention.cpp.
#include <cstdio>

#include "cpu/dispatch/threads.h"
#include "cpu/layers/kernels.h"
#include "dynast/export.h"

namespace dynast {
namespace {

const TrainingLayerKernels* checked(bool fits, const char* requirement, const char* variant, char* message, int size) {
  message[0] = '\0';
  if (!fits) {
    std::snprintf(message, size, "%s", requirement);
    return nullptr;
  }
  const TrainingLayerKernels* kernels = select_training_kernels(variant);
  if (!kernels) std::snprintf(message, size, "this processor cannot run kernels called %s", variant);
  return kernels;
}

const TrainingLayerKernels* checked(const DynastConvolution& p, const char* variant, char* message, int size) {
  const bool positive = p.batch > 0 && p.channels_in > 0 && p.channels_out > 0 && (p.stride == 1 || p.stride == 2);
  return checked(positive && p.height > 1 && p.width > 1,
                 "a reflected border needs maps of at least 2x2, with channels, and a stride of 1 or 2", variant,
                 message, size);
}

const TrainingLayerKernels* checked(const DynastModulation& p, const char* variant, char* message, int size) {
  return checked(p.length > 0 && p.channels > 1, "a norm over channels needs at least two of them", variant, message,
                 size);
}

const TrainingLayerKernels* checked(const DynastUnitTokens& p, const char* variant, char* message, int size) {
  return checked(p.length > 0 && p.batch > 0 && p.channels > 0 && p.pos_channels > 0,
                 "tokens need pixels, channels and a position code", variant, message, size);
}

const TrainingLayerKernels* checked(const DynastProjections& p, const char* variant, char* message, int size) {
  return checked(p.length > 0 && p.channels_in > 0 && p.channels_out[0] > 0 && p.channels_out[1] >= 0,
                 "a projection needs tokens with channels, and at least one layer", variant, message, size);
}

const TrainingLayerKernels* checked(const DynastNorm& p, const char* variant, char* message, int size) {
  return checked(p.length > 1 && p.parts > 0 && p.channels > 0,
                 "a norm over pixels needs at least two of them, with channels", variant, message, size);
}

const TrainingLayerKernels* checked(const DynastSpectralNorm& p, const char* variant, char* message, int size) {
  return checked(p.rows > 0 && p.columns > 0, "a spectral norm needs a weight that is not empty", variant, message,
                 size);
}

const TrainingLayerKernels* checked(const DynastUpsampling& p, const char* variant, char* message, int size) {
  return checked(p.batch > 0 && p.height > 0 && p.width > 0 && p.channels > 0, "upsampling needs pixels with channels",
                 variant, message, size);
}

const TrainingLayerKernels* checked(const DynastActivation& p, const char* variant, char* message, int size) {
  return checked(p.count >= 0, "the count of numbers is negative", variant, message, size);
}

// Checks a problem and runs one kernel of the table on it. Returns 0, or 1 with a message.
template <class Problem, class Call>
int compute(void (*TrainingLayerKernels::*kernel)(const Problem&, const Call&, const Parallel&), const Problem* problem,
            const Call* call, const char* variant, int threads, char* message, int size) {
  const TrainingLayerKernels* kernels = checked(*problem, variant, message, size);
  if (!kernels) return 1;
  (kernels->*kernel)(*problem, *call, Parallel{run_on_threads, &threads});
  return 0;
}

template <class Call>
int compute(void (*TrainingLayerKernels::*kernel)(const Call&, const Parallel&), const Call* call, const char* variant,
            int threads, char* message, int size) {
  const TrainingLayerKernels* kernels = checked(*call, variant, message, size);
  if (!kernels) return 1;
  (kernels->*kernel)(*call, Parallel{run_on_threads, &threads});
  return 0;
}

}  // namespace
}  // namespace dynast

using namespace dynast;

// The exported function `dynast_NAME` of the kernel NAME: of kernels that take a problem and a call, and of kernels
// that take a call alone.
#define DYNAST_LAYER(name, Problem, Call)                                                                     \
  DYNAST_EXPORT int dynast_##name(const Problem* problem, const Call* call, const char* variant, int threads, \
                                  char* message, int size) {                                                  \
    return compute(&TrainingLayerKernels::name, problem, call, variant, threads, message, size);              \
  }
#define DYNAST_LAYER_CALL(name, kernel, Call)                                                                    \
  DYNAST_EXPORT int dynast_##name(const Call* call, const char* variant, int threads, char* message, int size) { \
    return compute(kernel, call, variant, threads, message, size);                                               \
  }

DYNAST_LAYER(convolve, DynastConvolution, DynastConvolutionForward)
DYNAST_LAYER(convolve_back, DynastConvolution, DynastConvolutionBackward)
DYNAST_LAYER(modulate, DynastModulation, DynastModulationForward)
DYNAST_LAYER(modulate_back, DynastModulation, DynastModulationBackward)
DYNAST_LAYER(unit_tokens, DynastUnitTokens, DynastUnitTokensForward)
DYNAST_LAYER(unit_tokens_back, DynastUnitTokens, DynastUnitTokensBackward)
DYNAST_LAYER(project, DynastProjections, DynastProjectionsForward)
DYNAST_LAYER(project_back, DynastProjections, DynastProjectionsBackward)
DYNAST_LAYER(norm, DynastNorm, DynastNormForward)
DYNAST_LAYER(norm_back, DynastNorm, DynastNormBackward)
DYNAST_LAYER(spectral_norm, DynastSpectralNorm, DynastSpectralNormForward)
DYNAST_LAYER(spectral_norm_back, DynastSpectralNorm, DynastSpectralNormBackward)
DYNAST_LAYER_CALL(activate, call->output ? &TrainingLayerKernels::activate : &TrainingLayerKernels::activate_back,
                  DynastActivation)
DYNAST_LAYER_CALL(upsample, &TrainingLayerKernels::upsample, DynastUpsampling)
DYNAST_LAYER_CALL(upsample_back, &TrainingLayerKernels::upsample_back, DynastUpsampling)
