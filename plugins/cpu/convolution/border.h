// A border of one reflected pixel.
#pragma once

#include "cpu/simd/lanes.h"

DYNAST_BEGIN

// The pixel that stands at place i, -1 .. size, of a line of `size` pixels.
inline int reflected(int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; }

DYNAST_END
