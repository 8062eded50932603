// A border of one reflected pixel.
#pragma once

#include "dynast/problem.h"

DYNAST_BEGIN

// The pixel at position i, -1 .. size, of a line of `size` pixels.
inline int reflected(int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; }

DYNAST_END
