// The plain C interface of the training layers, as in library.cpp.
#include <cstdio>

#include "cpu/layer_calls.h"
#include "cpu/select.h"
#include "cpu/threads.h"

#define DYNAST_EXPORT extern "C" __attribute__((visibility("default")))

namespace dynast {

extern const LayerKernels layers_plain;
#ifdef DYNAST_X86
extern const LayerKernels layers_avx2;
extern const LayerKernels layers_avx512;
#endif

const LayerKernels* select_layer_kernels(const char* name) {
#ifdef DYNAST_X86
  return select_table(name, {&layers_plain, &layers_avx2, &layers_avx512});
#else
  return select_table(name, {&layers_plain});
#endif
}

namespace {

const LayerKernels* checked(bool fits, const char* complaint, const char* variant, char* message, int size) {
  message[0] = '\0';
  if (!fits) {
    std::snprintf(message, size, "%s", complaint);
    return nullptr;
  }
  const LayerKernels* kernels = select_layer_kernels(variant);
  if (!kernels) std::snprintf(message, size, "this processor runs no kernels called %s", variant);
  return kernels;
}

const LayerKernels* checked(const DynastConvolution& p, const char* variant, char* message, int size) {
  const bool positive = p.batch > 0 && p.channels_in > 0 && p.channels_out > 0 && (p.stride == 1 || p.stride == 2);
  return checked(positive && p.height > 1 && p.width > 1,
                 "a reflected border needs maps of 2x2 and more, with channels, and a stride of 1 or 2", variant,
                 message, size);
}

const LayerKernels* checked(const DynastModulation& p, const char* variant, char* message, int size) {
  return checked(p.length > 0 && p.channels > 1, "a norm over channels needs two and more of them", variant, message,
                 size);
}

const LayerKernels* checked(const DynastUnitTokens& p, const char* variant, char* message, int size) {
  return checked(p.length > 0 && p.batch > 0 && p.channels > 0 && p.pos_channels > 0,
                 "tokens need pixels, channels and a position code", variant, message, size);
}

const LayerKernels* checked(const DynastProjections& p, const char* variant, char* message, int size) {
  return checked(p.length > 0 && p.channels_in > 0 && p.channels_out[0] > 0 && p.channels_out[1] >= 0,
                 "a projection needs tokens with channels, and at least one layer", variant, message, size);
}

const LayerKernels* checked(const DynastNorm& p, const char* variant, char* message, int size) {
  return checked(p.length > 1 && p.parts > 0 && p.channels > 0,
                 "a norm over pixels needs two and more of them, with channels", variant, message, size);
}

const LayerKernels* checked(const DynastSpectralNorm& p, const char* variant, char* message, int size) {
  return checked(p.rows > 0 && p.columns > 0, "a spectral norm needs a weight that is not empty", variant, message,
                 size);
}

const LayerKernels* checked(const DynastUpsampling& p, const char* variant, char* message, int size) {
  return checked(p.batch > 0 && p.height > 0 && p.width > 0 && p.channels > 0, "upsampling needs pixels with channels",
                 variant, message, size);
}

const LayerKernels* checked(const DynastActivation& p, const char* variant, char* message, int size) {
  return checked(p.count >= 0, "no numbers", variant, message, size);
}

// One kernel of the table on a problem that is checked first; 0, or 1 with a message.
template <class Problem, class Call>
int compute(void (*LayerKernels::*kernel)(const Problem&, const Call&, const Parallel&), const Problem* problem,
            const Call* call, const char* variant, int threads, char* message, int size) {
  const LayerKernels* kernels = checked(*problem, variant, message, size);
  if (!kernels) return 1;
  (kernels->*kernel)(*problem, *call, Parallel{run_on_threads, &threads});
  return 0;
}

template <class Call>
int compute(void (*LayerKernels::*kernel)(const Call&, const Parallel&), const Call* call, const char* variant,
            int threads, char* message, int size) {
  const LayerKernels* kernels = checked(*call, variant, message, size);
  if (!kernels) return 1;
  (kernels->*kernel)(*call, Parallel{run_on_threads, &threads});
  return 0;
}

}  // namespace
}  // namespace dynast

using namespace dynast;

DYNAST_EXPORT int dynast_convolve(const DynastConvolution* problem, const DynastConvolutionForward* call,
                                  const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::convolve, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_convolve_back(const DynastConvolution* problem, const DynastConvolutionBackward* call,
                                       const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::convolve_back, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_modulate(const DynastModulation* problem, const DynastModulationForward* call,
                                  const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::modulate, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_modulate_back(const DynastModulation* problem, const DynastModulationBackward* call,
                                       const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::modulate_back, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_unit_tokens(const DynastUnitTokens* problem, const DynastUnitTokensForward* call,
                                     const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::unit_tokens, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_unit_tokens_back(const DynastUnitTokens* problem, const DynastUnitTokensBackward* call,
                                          const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::unit_tokens_back, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_project(const DynastProjections* problem, const DynastProjectionsForward* call,
                                 const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::project, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_project_back(const DynastProjections* problem, const DynastProjectionsBackward* call,
                                      const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::project_back, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_norm(const DynastNorm* problem, const DynastNormForward* call, const char* variant,
                              int threads, char* message, int size) {
  return compute(&LayerKernels::norm, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_norm_back(const DynastNorm* problem, const DynastNormBackward* call, const char* variant,
                                   int threads, char* message, int size) {
  return compute(&LayerKernels::norm_back, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_activate(const DynastActivation* call, const char* variant, int threads, char* message,
                                  int size) {
  const auto kernel = call->output ? &LayerKernels::activate : &LayerKernels::activate_back;
  return compute(kernel, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_spectral_norm(const DynastSpectralNorm* problem, const DynastSpectralNormForward* call,
                                       const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::spectral_norm, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_spectral_norm_back(const DynastSpectralNorm* problem, const DynastSpectralNormBackward* call,
                                            const char* variant, int threads, char* message, int size) {
  return compute(&LayerKernels::spectral_norm_back, problem, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_upsample(const DynastUpsampling* call, const char* variant, int threads, char* message,
                                  int size) {
  return compute(&LayerKernels::upsample, call, variant, threads, message, size);
}

DYNAST_EXPORT int dynast_upsample_back(const DynastUpsampling* call, const char* variant, int threads, char* message,
                                       int size) {
  return compute(&LayerKernels::upsample_back, call, variant, threads, message, size);
}
