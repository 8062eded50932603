// The queries of one layer in groups that share their candidates.
#pragma once

#include "dynast/candidates.h"

DYNAST_BEGIN

// Room for the largest number of candidates, rounded up to whole vectors.
constexpr int kSlots = (kMaxCandidates + 15) / 16 * 16;

// Inter-scale: a 2x2 window of queries. Inner-scale: a single query.
struct Group {
  int frame;
  int size;            // queries: 4 or 1
  int64_t queries[4];  // rows of the query tensor, counted over all frames
  int count;           // candidates
  int32_t candidates[kSlots];
};

inline int64_t group_count(const DynastProblem& p) {
  return static_cast<int64_t>(p.frames) * query_length(p) / (p.inner ? 1 : 4);
}

// Writes the queries of a group, 4 or 1 of them, and returns their frame.
inline int group_queries(const DynastProblem& p, int64_t index, int64_t* queries) {
  const int per_frame = query_length(p) / (p.inner ? 1 : 4), width = p.query_width / 2;
  const int frame = static_cast<int>(index / per_frame);
  const int place = static_cast<int>(index - static_cast<int64_t>(frame) * per_frame);
  const int64_t first = static_cast<int64_t>(frame) * query_length(p);
  if (p.inner) {
    queries[0] = first + place;
    return frame;
  }
  const int y = place / width, x = place - y * width;
  for (int i = 0; i < 4; ++i) queries[i] = first + static_cast<int64_t>(2 * y + i / 2) * p.query_width + 2 * x + i % 2;
  return frame;
}

inline void fill_group(const DynastProblem& p, const int32_t* matches, int64_t index, Group& group) {
  const int per_frame = query_length(p) / (p.inner ? 1 : 4);
  group.frame = group_queries(p, index, group.queries);
  const int place = static_cast<int>(index - static_cast<int64_t>(group.frame) * per_frame);
  const int64_t first = static_cast<int64_t>(group.frame) * query_length(p);
  group.count = candidate_count(p);
  if (p.inner) {
    const int32_t* of_frame = matches + first * p.matches_k;
    group.size = 1;
    const int y = place / p.query_width, x = place - y * p.query_width;
    int slot = 0;
    for (int side = 0; side < 5; ++side) {
      const int32_t* of_neighbour = of_frame + static_cast<int64_t>(neighbour(p, side, y, x)) * p.matches_k;
      for (int rank = 0; rank < p.matches_k; ++rank)
        group.candidates[slot++] = moved_match(p, side, of_neighbour[rank]);
    }
  } else {
    group.size = 4;
    for (int slot = 0; slot < group.count; ++slot)
      group.candidates[slot] = inter_candidate(p, matches + index * p.matches_k, slot);
  }
  // Dot products are computed four at a time, so the last candidate is repeated up to a multiple of four.
  for (int slot = group.count; slot % 4; ++slot) group.candidates[slot] = group.candidates[slot - 1];
}

DYNAST_END
