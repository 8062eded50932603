// The candidates of a query. They are computed from the previous matches whenever they are needed, and never stored.
#pragma once

#include "dynast/problem.h"

DYNAST_BEGIN

// Unchecked matches, which are clamped to 0 .. bound - 1 wherever they are read.
struct ClampedMatches {
  const int32_t* matches;
  int32_t bound;

  DYNAST_INLINE int32_t operator[](int64_t i) const {
    const int32_t match = matches[i];
    return match < 0 ? 0 : match < bound ? match : bound - 1;
  }
};

// Inter-scale: candidate `slot` (0 .. 4K-1) of every query in a 2x2 window. `matches` are the window's K matches at the
// parent's scale. Each has four children, counted row by row.
template <class Matches>
DYNAST_INLINE int inter_candidate(const DynastProblem& p, Matches matches, int slot) {
  const int parent_width = p.key_width / 2;
  const int match = matches[slot >> 2];
  const int row = match / parent_width * 2 + ((slot >> 1) & 1);
  const int column = match % parent_width * 2 + (slot & 1);
  return row * p.key_width + column;
}

// Inner-scale: a match of the neighbour at `side` (0 the query itself, 1 above, 2 below, 3 left, 4 right), moved by one
// pixel in the opposite direction. A match at the border of the map is not moved.
DYNAST_INLINE int moved_match(const DynastProblem& p, int side, int match) {
  switch (side) {
    case 1:
      return match + p.key_width < key_length(p) ? match + p.key_width : match;
    case 2:
      return match >= p.key_width ? match - p.key_width : match;
    case 3:
      return (match + 1) % p.key_width != 0 ? match + 1 : match;
    case 4:
      return match % p.key_width != 0 ? match - 1 : match;
    default:
      return match;
  }
}

// The query's neighbour at `side`. At the border of the map, where there is none, the query itself.
DYNAST_INLINE int neighbour(const DynastProblem& p, int side, int y, int x) {
  if (side == 1 && y > 0) --y;
  if (side == 2 && y < p.query_height - 1) ++y;
  if (side == 3 && x > 0) --x;
  if (side == 4 && x < p.query_width - 1) ++x;
  return y * p.query_width + x;
}

// Inner-scale: candidate `slot` (0 .. 5K-1) of the query at (y, x). `matches` are all matches of the frame.
template <class Matches>
DYNAST_INLINE int inner_candidate(const DynastProblem& p, Matches matches, int y, int x, int slot) {
  const int side = slot / p.matches_k;
  const int rank = slot - side * p.matches_k;
  return moved_match(p, side, matches[static_cast<int64_t>(neighbour(p, side, y, x)) * p.matches_k + rank]);
}

DYNAST_END
