// The transformed kernel of a convolution, and its products with transformed maps.
#pragma once

#include "cpu/convolution/winograd/tiles.h"

DYNAST_BEGIN

// The layout of a transformed kernel, in panels of `outer` channels: [panel][position][inner][row].
struct KernelPanels {
  int outer, inner, panels;
  int row;           // kPanel, or kLanes if all outer channels fit in one vector
  int64_t distance;  // numbers from one position to the next

  KernelPanels(int outer, int inner)
      : outer(outer),
        inner(inner),
        panels((outer + kPanel - 1) / kPanel),
        row(outer > kLanes ? kPanel : kLanes),
        distance(Strip::odd_lines(int64_t{row} * inner)) {}

  int64_t size() const { return panels * kPositions * distance; }
  int channels(int panel) const { return panel_channels(outer, panel * kPanel); }

  // The layout of one panel by itself.
  KernelPanels alone(int panel) const {
    KernelPanels one = *this;
    one.outer = channels(panel);
    one.panels = 1;
    return one;
  }
  int64_t at(int panel, int position) const { return (panel * kPositions + position) * distance; }
};

// Part `index` of `count` of the panels, and their outer channels.
struct PanelRange {
  int begin, end, first, channels;

  PanelRange(const KernelPanels& layout, int64_t index, int64_t count)
      : begin(static_cast<int>(layout.panels * index / count)),
        end(static_cast<int>(layout.panels * (index + 1) / count)),
        first(begin * kPanel),
        channels((end * kPanel < layout.outer ? end * kPanel : layout.outer) - first) {}
};

// Into how many parts the panels are split, where `others` tasks are too few for all threads. Each part transforms the
// strip's maps again.
inline int panel_splits(int64_t others, int panels) {
  const int wanted = others >= 4 ? 1 : static_cast<int>((3 + others) / others);
  const int max_splits = panels / 2 < 1 ? 1 : panels / 2;
  return wanted < max_splits ? wanted : max_splits;
}

// Transforms one panel of the kernel [Co, Ci, 3, 3], inner channels begin .. end - 1. `transposed`: the kernel's input
// channels are the outer channels.
inline void transform_panel(const KernelPanels& layout, const float* kernel, bool transposed, int panel, int begin,
                            int end, float* to) {
  const int first = panel * kPanel, channels = layout.channels(panel);
  float taps[9][kPanel] = {};
  for (int i = begin; i < end; ++i) {
    for (int o = 0; o < channels; ++o) {
      const float* of = kernel + 9 * (transposed ? static_cast<int64_t>(i) * layout.outer + first + o
                                                 : static_cast<int64_t>(first + o) * layout.inner + i);
      for (int tap = 0; tap < 9; ++tap) taps[tap][o] = of[tap];
    }
    float* at = to + static_cast<int64_t>(i) * layout.row;
    for (int j = 0; j < channels; j += kLanes)
      transform<KernelAtPoints>([&](int y, int x) { return load(taps[y * 3 + x] + j); },
                                [&](int y, int x, Lanes u) { store(at + (y * kSide + x) * layout.distance + j, u); });
  }
}

// Transforms all panels.
inline void transform_kernel(const KernelPanels& layout, const float* kernel, bool transposed, float* to,
                             const Parallel& parallel) {
  constexpr int kBlock = 32;
  const int blocks = (layout.inner + kBlock - 1) / kBlock;
  parallel(static_cast<int64_t>(layout.panels) * blocks, [&](int64_t task) {
    const int panel = static_cast<int>(task / blocks), begin = static_cast<int>(task % blocks) * kBlock;
    const int end = begin + kBlock < layout.inner ? begin + kBlock : layout.inner;
    transform_panel(layout, kernel, transposed, panel, begin, end, to + layout.at(panel, 0));
  });
}

// For every position, the product of a strip's `tiles` rows of inner channels with some of the kernel's panels.
inline void multiply_kernel(const KernelPanels& layout, const float* kernel, const PanelRange& range, int tiles,
                            const Strip& in, const float* inputs, const Strip& out, float* outputs) {
  for (int position = 0; position < kPositions; ++position)
    for (int panel = range.begin; panel < range.end; ++panel)
      multiply<false>({inputs + position * in.distance, in.row, 1}, tiles, layout.inner,
                      kernel + layout.at(panel, position), layout.row, layout.channels(panel),
                      outputs + position * out.distance + (panel - range.begin) * kPanel, out.row);
}

DYNAST_END
