// The kernel of a convolution in Winograd's form, and its products with transformed maps.
#pragma once

#include "cpu/convolution/winograd/tiles.h"

DYNAST_BEGIN

// How a transformed kernel lies, in panels of `outer` channels: [panel][place][inner][row].
struct KernelPanels {
  int outer, inner, panels;
  int row;           // kPanel, or less if all outer channels fill less
  int64_t distance;  // numbers from place to place

  KernelPanels(int outer, int inner)
      : outer(outer),
        inner(inner),
        panels((outer + kPanel - 1) / kPanel),
        row(outer > kLanes ? kPanel : kLanes),
        distance(Strip::odd_lines(int64_t{row} * inner)) {}

  int64_t size() const { return panels * kPlaces * distance; }
  int channels(int panel) const { return panel_channels(outer, panel * kPanel); }

  // That of one panel by itself.
  KernelPanels alone(int panel) const {
    KernelPanels one = *this;
    one.outer = channels(panel);
    one.panels = 1;
    return one;
  }
  int64_t at(int panel, int place) const { return (panel * kPlaces + place) * distance; }
};

// A share of the panels, and the outer channels that these are.
struct PanelShare {
  int begin, end, first, channels;

  PanelShare(const KernelPanels& layout, int64_t share, int64_t shares)
      : begin(static_cast<int>(layout.panels * share / shares)),
        end(static_cast<int>(layout.panels * (share + 1) / shares)),
        first(begin * kPanel),
        channels((end * kPanel < layout.outer ? end * kPanel : layout.outer) - first) {}
};

// Into how many shares the panels go where `others` tasks are too few for some threads. Each share transforms a strip's
// maps for itself.
inline int panel_shares(int64_t others, int panels) {
  const int wanted = others >= 4 ? 1 : static_cast<int>((3 + others) / others);
  const int most = panels / 2 < 1 ? 1 : panels / 2;
  return wanted < most ? wanted : most;
}

// One panel of the kernel [Co, Ci, 3, 3] at the points, inner channels from `begin` to `end`. `transposed` makes the
// kernel's input channels the outer ones.
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

// All of its panels.
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

// For every place, the product of a strip's `tiles` rows of inner channels with a share of the kernel's panels.
inline void multiply_kernel(const KernelPanels& layout, const float* kernel, const PanelShare& share, int tiles,
                            const Strip& in, const float* inputs, const Strip& out, float* outputs) {
  for (int place = 0; place < kPlaces; ++place)
    for (int panel = share.begin; panel < share.end; ++panel)
      multiply<false>({inputs + place * in.distance, in.row, 1}, tiles, layout.inner, kernel + layout.at(panel, place),
                      layout.row, layout.channels(panel),
                      outputs + place * out.distance + (panel - share.begin) * kPanel, out.row);
}

DYNAST_END
