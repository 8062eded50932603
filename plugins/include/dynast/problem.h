// The sizes and settings of one attention layer, for all kernels: CPU, CUDA, TensorRT plugin.
//
// Tensors are token-major and contiguous. N frames, E exemplars (1 or N), Lq = query_height * query_width,
// Lk = key_height * key_width:
//   query [N, Lq, C]  query_prune [N, Lq, P]  key [E, Lk, C]  key_prune [E, Lk, P]  value [E, Lk, V]
//   matches [N, Lq / 4 or Lq, K] int32, warp_source [E, Lk, W]
#pragma once

#ifdef __CUDACC_RTC__  // NVRTC has no C library
typedef int int32_t;
typedef unsigned int uint32_t;
typedef unsigned short uint16_t;
typedef long long int64_t;
#else
#include <stdint.h>
#endif

// The CPU kernels are compiled once for each instruction set and linked into one library. Each copy needs its own
// names: otherwise the linker would keep one copy of every inline function, perhaps one that this processor cannot run.
#ifdef DYNAST_VARIANT
#define DYNAST_BEGIN \
  namespace dynast { \
  inline namespace DYNAST_VARIANT {
#else
#define DYNAST_BEGIN \
  namespace dynast { \
  inline namespace generic {
#endif
#define DYNAST_END \
  }                \
  }

#ifdef __CUDACC__
#define DYNAST_INLINE __host__ __device__ __forceinline__
#else
#define DYNAST_INLINE inline
#endif

extern "C" {

// Passed across the C boundary; `plugins/bindings/native.py` mirrors it.
struct DynastProblem {
  int32_t inner;   // 0: candidates are the children of the parent's matches; 1: the query's and its neighbours' matches
  int32_t frames;  // N
  int32_t exemplars;
  int32_t query_height, query_width;
  int32_t key_height, key_width;
  int32_t channels;        // C
  int32_t prune_channels;  // P
  int32_t value_channels;  // V
  int32_t warp_channels;   // W, 0 without a warp source
  int32_t matches_k;       // K of the matches, input
  int32_t top_k;           // K of the next matches, output
  int32_t warp_published;  // 1: the warp's weights belong to the dropped candidates, as in the published code
  float temperature;
};

// The coarsest layer, in which every key is a candidate of every query: it has no map sizes and no input matches.
struct DynastDense {
  int32_t frames, exemplars;
  int32_t query_length, key_length;
  int32_t channels, prune_channels, value_channels;
  int32_t top_k;
  float temperature;
};

}  // extern "C"

DYNAST_BEGIN

constexpr int kMaxTopK = 16;
constexpr int kMaxCandidates = 5 * kMaxTopK;

DYNAST_INLINE int query_length(const DynastProblem& p) { return p.query_height * p.query_width; }
DYNAST_INLINE int key_length(const DynastProblem& p) { return p.key_height * p.key_width; }

// Candidates of one query: M.
DYNAST_INLINE int candidate_count(const DynastProblem& p) { return (p.inner ? 5 : 4) * p.matches_k; }

// Rows of `matches` of one frame.
DYNAST_INLINE int matches_length(const DynastProblem& p) { return query_length(p) / (p.inner ? 1 : 4); }

// Matches are in 0 .. matches_bound - 1: keys of the same map, or of the parent's map with half the height and width.
DYNAST_INLINE int matches_bound(const DynastProblem& p) {
  return p.inner ? key_length(p) : (p.key_height / 2) * (p.key_width / 2);
}

DYNAST_END
