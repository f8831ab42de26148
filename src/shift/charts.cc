#include "shift/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "linn/error.h"

namespace linn::shift {
namespace {

constexpr int margin = 28;
constexpr int line_height = 26;  // text at scale 2

void require_sweeps(const std::vector<NamedSweep>& sweeps) {
  if (sweeps.empty()) throw ValueError("[shift] a picture of no sweeps was asked for");
}

// "98". Only a share of exactly 1 gives "100"; 0.999 gives "99", so that "100" in a cell means every image.
std::string whole_percent(double share) { return fmt::format("{:.0f}", share < 1 ? std::min(99.0, 100 * share) : 100); }

// Shifts between two labels of an axis: a power of two, at least 34 pixels, so that labels do not touch.
std::int64_t label_step(std::int64_t radius, int cell) {
  std::int64_t step = 1;
  while (step * cell < 34) step *= 2;
  return std::max<std::int64_t>(1, std::min(step, std::max<std::int64_t>(1, radius)));
}

void color_bar(Picture& picture, int x, int y, int height, double least, double most) {
  constexpr int width = 22;
  for (int i = 0; i < height; ++i) picture.fill(x, y + i, width, 1, heat(1 - static_cast<double>(i) / (height - 1)));
  for (int i = 0; i <= 4; ++i) {
    const int at = y + i * (height - 1) / 4;
    picture.fill(x + width, at, 6, 1, ink);
    picture.text(x + width + 14, at - 7, fmt::format("{:.0f} %", 100 * (most - (most - least) * i / 4)), ink);
  }
}

// The rectangle of a chart's curves in the picture, and the largest r.
struct Chart {
  int x, y, width, height;
  std::int64_t radius;

  double at_x(double r) const { return x + 14 + (width - 28) * (radius == 0 ? 0.5 : r / static_cast<double>(radius)); }
  double at_y(double share) const { return y + height * (1 - share); }
};

void axes(Picture& picture, const Chart& chart, const std::string& title) {
  picture.text(chart.x, chart.y - 40, title, ink);
  for (int percent = 0; percent <= 100; percent += 20) {
    const int at = static_cast<int>(std::lround(chart.at_y(percent / 100.0)));
    picture.fill(chart.x, at, chart.width, 1, percent == 0 ? grey : faint);
    picture.text(chart.x - 10, at - 7, fmt::format("{}", percent), grey, 2, Align::right);
  }
  const std::int64_t step = std::max<std::int64_t>(1, chart.radius / 8);
  for (std::int64_t r = 0; r <= chart.radius; r += step)
    picture.text(static_cast<int>(chart.at_x(static_cast<double>(r))), chart.y + chart.height + 10, fmt::format("{}", r), grey, 2,
                 Align::centre);
  picture.text(chart.x + chart.width / 2, chart.y + chart.height + 36, "r", grey, 2, Align::centre);
}

template <class Value>
void curve(Picture& picture, const Chart& chart, std::int64_t radius, Color color, bool dashed, Value&& value) {
  for (std::int64_t r = 0; r <= radius; ++r) {
    const double x = chart.at_x(static_cast<double>(r));
    const double y = chart.at_y(value(r));
    if (r < radius) {
      const double next_x = chart.at_x(static_cast<double>(r + 1));
      const double next_y = chart.at_y(value(r + 1));
      if (!dashed) {
        picture.line(x, y, next_x, next_y, 3, color);
      } else {
        const double length = std::hypot(next_x - x, next_y - y);
        for (int dash = 0; dash * 12 < length; ++dash) {
          const double from = dash * 12;
          const double to = std::min(length, from + 6);
          picture.line(x + (next_x - x) * from / length, y + (next_y - y) * from / length, x + (next_x - x) * to / length,
                       y + (next_y - y) * to / length, 2, color);
        }
      }
    }
    picture.disc(x, y, dashed ? 3 : 5, color);
  }
}

float cell_of(const Tensor& maps, std::int64_t y, std::int64_t x, std::int64_t c) {
  return maps.values<float>()[static_cast<std::size_t>((y * maps.shape()[1] + x) * maps.shape()[2] + c)];
}

// First pixel of cell `i` when `count` cells fill `size` pixels. Cell i ends where cell i + 1 begins, so that rounding leaves no gap.
int cell_edge(std::int64_t i, std::int64_t count, int size) { return static_cast<int>(i * size / count); }

std::vector<std::int64_t> strongest_channels(const Tensor& maps, std::size_t count) {
  const std::int64_t channels = maps.shape()[2];
  std::vector<double> strength(static_cast<std::size_t>(channels), 0.0);
  const auto values = maps.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    if (std::isfinite(value)) strength[i % static_cast<std::size_t>(channels)] += value * value;
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(channels));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return strength[static_cast<std::size_t>(a)] > strength[static_cast<std::size_t>(b)];
  });
  order.resize(std::min(order.size(), count));
  return order;
}

std::string share_in_words(double share) {
  if (std::abs(share - 0.25) < 5e-4) return "a quarter";
  return percent(share) + " %";
}

}  // namespace

std::string percent(double share, int decimals) {
  const double unit = std::pow(10.0, decimals);
  // Lifts decimal halves that the double rounds down. A share of at most 10^9 counts that is no half is further away than this.
  constexpr double nudge = 1e-8;
  return fmt::format("{:.{}f}", std::floor(100 * share * unit + 0.5 + nudge) / unit, decimals);
}

namespace {

// Layout and colour scale that all maps of a picture share.
struct MapLayout {
  std::int64_t radius = 0;  // the largest of the maps
  int cell = 0;             // side of one shift, in pixels
  int top = 0;
  double least = 1;  // share at the lower end of the colour scale

  int size() const { return cell * static_cast<int>(2 * radius + 1); }
};

void draw_cells(Picture& picture, const MapLayout& layout, int left, const Tensor& map) {
  const std::int64_t map_radius = map.shape()[0] / 2;
  const auto values = map.values<double>();
  for (std::int64_t dy = -layout.radius; dy <= layout.radius; ++dy)
    for (std::int64_t dx = -layout.radius; dx <= layout.radius; ++dx) {
      const int x = left + static_cast<int>(dx + layout.radius) * layout.cell;
      const int y = layout.top + static_cast<int>(dy + layout.radius) * layout.cell;
      if (std::max(std::abs(dy), std::abs(dx)) > map_radius) {
        picture.fill(x, y, layout.cell, layout.cell, faint);
        continue;
      }
      const double share = values[static_cast<std::size_t>((dy + map_radius) * (2 * map_radius + 1) + dx + map_radius)];
      const Color color = heat((share - layout.least) / (1 - layout.least));
      picture.fill(x, y, layout.cell, layout.cell, color);
      if (layout.cell >= 36)
        picture.text(x + layout.cell / 2 + 1, y + layout.cell / 2 - 6, whole_percent(share), readable_on(color), share < 1 ? 2 : 1,
                     Align::centre);
    }
}

void draw_axes(Picture& picture, const MapLayout& layout, int left) {
  const std::int64_t labels = label_step(layout.radius, layout.cell);
  for (std::int64_t d = -layout.radius / labels * labels; d <= layout.radius; d += labels) {
    const int middle = static_cast<int>(d + layout.radius) * layout.cell + layout.cell / 2;
    picture.text(left + middle + 1, layout.top + layout.size() + 8, fmt::format("{}", d), grey, 2, Align::centre);
    picture.text(left - 8, layout.top + middle - 6, fmt::format("{}", d), grey, 2, Align::right);
  }
  picture.text(left + layout.size() / 2, layout.top + layout.size() + 34, "pixels to the right", grey, 2, Align::centre);
}

}  // namespace

Picture heat_maps(const std::string& title, const std::vector<NamedMap>& maps) {
  if (maps.empty()) throw ValueError("[shift] a picture of no maps was asked for");
  MapLayout layout;
  std::size_t longest = 0;
  for (const NamedMap& named : maps) {
    layout.radius = std::max(layout.radius, named.map.shape()[0] / 2);
    for (const double share : named.map.values<double>()) layout.least = std::min(layout.least, share);
    longest = std::max(longest, named.name.size());
  }
  layout.least = std::min(0.9, std::floor(10 * layout.least) / 10);
  layout.cell = std::clamp(330 / static_cast<int>(2 * layout.radius + 1), 3, 66);
  layout.top = margin + 3 * line_height + 14;

  const int axis = 62;
  const int step = std::max(layout.size(), Picture::text_width(std::string(longest, ' '))) + axis + 18;
  const auto count = static_cast<int>(maps.size());
  const int width = std::max(margin + count * step + 116, 2 * margin + Picture::text_width(title, 3));
  Picture picture(width, layout.top + layout.size() + 84);
  picture.text(margin, margin, title, ink, 3);
  for (int i = 0; i < count; ++i) {
    const int left = margin + axis + i * step;
    picture.text(left, layout.top - line_height, maps[static_cast<std::size_t>(i)].name, ink);
    draw_cells(picture, layout, left, maps[static_cast<std::size_t>(i)].map);
    draw_axes(picture, layout, left);
  }
  picture.text_upwards(margin - 12, layout.top + layout.size() / 2, "pixels down", grey, 2, Align::centre);
  color_bar(picture, margin + count * step + 6, layout.top, layout.size(), layout.least, 1);
  return picture;
}

std::vector<NamedMap> maps_of(const Sweep& sweep) {
  std::vector<NamedMap> maps;
  if (sweep.labelled()) maps.push_back({"right", sweep.map()});
  maps.push_back({"same class as in place", sweep.unchanged_map()});
  return maps;
}

Picture shift_maps(const std::vector<NamedSweep>& sweeps) {
  std::vector<NamedMap> maps;
  maps.reserve(sweeps.size());
  for (const NamedSweep& named : sweeps) maps.push_back({named.name, named.sweep->map()});
  return heat_maps("Accuracy when the images move", maps);
}

Picture accuracy_by_radius(const std::vector<NamedSweep>& sweeps) {
  require_sweeps(sweeps);
  std::int64_t radius = 0;
  std::size_t longest = 0;
  for (const NamedSweep& named : sweeps) {
    radius = std::max(radius, named.sweep->radius());
    longest = std::max(longest, named.name.size());
  }
  const std::string no_ink = "images that lose no ink";
  longest = std::max(longest, no_ink.size());
  const int plane_width = 440;
  const int plane_height = 380;
  const int top = margin + 100;
  const int first = margin + 50;
  const int second = first + plane_width + 80;
  const int legend = second + plane_width + 36;
  Picture picture(legend + 44 + Picture::text_width(std::string(longest, ' ')) + margin, top + plane_height + 84);
  picture.text(margin, margin, "Accuracy in % when the images move by up to r pixels", ink, 3);

  const Chart mean{first, top, plane_width, plane_height, radius};
  const Chart worst{second, top, plane_width, plane_height, radius};
  axes(picture, mean, "Mean over all shifts");
  axes(picture, worst, "Right at every shift");
  int y = top + 10;
  for (std::size_t i = 0; i < sweeps.size(); ++i) {
    const Sweep& sweep = *sweeps[i].sweep;
    const Color color = line_color(i);
    curve(picture, mean, sweep.radius(), color, false, [&](std::int64_t r) { return sweep.mean_accuracy(r); });
    curve(picture, worst, sweep.radius(), color, false, [&](std::int64_t r) { return sweep.worst_case_accuracy(r); });
    picture.line(legend, y + 7, legend + 30, y + 7, 3, color);
    picture.disc(legend + 15, y + 7, 5, color);
    picture.text(legend + 44, y, sweeps[i].name, ink);
    y += line_height + 6;
  }
  const Sweep& widest = *std::max_element(sweeps.begin(), sweeps.end(), [](const NamedSweep& a, const NamedSweep& b) {
                           return a.sweep->radius() < b.sweep->radius();
                         })->sweep;
  curve(picture, worst, widest.radius(), grey, true, [&](std::int64_t r) { return widest.uncut_share(r); });
  for (int x = 0; x < 30; x += 12) picture.line(legend + x, y + 7, legend + x + 6, y + 7, 2, grey);
  picture.disc(legend + 15, y + 7, 3, grey);
  picture.text(legend + 44, y, no_ink, grey);
  return picture;
}

Picture maps_around_pooling(const Tensor& image, const std::vector<PooledMaps>& pools) {
  constexpr std::size_t shown = 8;
  constexpr int tile = 108;
  constexpr int gap = 10;
  if (image.shape().rank() < 2 || image.shape().rank() > 3 || (image.shape().rank() == 3 && image.shape()[2] != 1))
    throw ShapeError(
        fmt::format("[shift] an image of shape {} came; (height, width) or (height, width, 1) is allowed", image.shape().to_string()));
  for (const PooledMaps& pool : pools)
    if (pool.before.shape().rank() != 3 || pool.after.shape().rank() != 3 || pool.before.shape()[2] != pool.after.shape()[2])
      throw ShapeError(fmt::format("[shift] maps {} and {} came; (height, width, channels) with the same channels are needed",
                                   pool.before.shape().to_string(), pool.after.shape().to_string()));

  const int big = 2 * tile + gap + line_height;
  const int left = margin + big + 40;
  const int group = 2 * (line_height + tile + gap) + 22;
  const int top = margin + 54;
  const int width = left + static_cast<int>(shown) * (tile + gap) - gap + margin;
  const int height = top + std::max(1, static_cast<int>(pools.size())) * group + margin - 12;
  Picture picture(width, height);
  picture.text(margin, margin, "One digit before and after each pooling", ink, 3);

  const Tensor digit = image.astype(DType::f32);
  const std::int64_t rows = digit.shape()[0];
  const std::int64_t columns = digit.shape()[1];
  const auto pixels = digit.values<float>();
  const float brightest = std::max(1e-30F, *std::max_element(pixels.begin(), pixels.end()));
  picture.text(margin, top, fmt::format("the image: {} x {}", rows, columns), ink);
  const int frame = top + line_height - 4;
  for (std::int64_t y = 0; y < rows; ++y)
    for (std::int64_t x = 0; x < columns; ++x)
      picture.fill(margin + cell_edge(x, columns, big), frame + cell_edge(y, rows, big),
                   cell_edge(x + 1, columns, big) - cell_edge(x, columns, big), cell_edge(y + 1, rows, big) - cell_edge(y, rows, big),
                   shade(pixels[static_cast<std::size_t>(y * columns + x)] / brightest));

  for (std::size_t p = 0; p < pools.size(); ++p) {
    const PooledMaps& pool = pools[p];
    const std::vector<std::int64_t> channels = strongest_channels(pool.before, shown);
    const auto describe = [](const std::string& name, const Tensor& maps) {
      return fmt::format("{}: {} x {} x {} = {} values", name, maps.shape()[0], maps.shape()[1], maps.shape()[2], maps.elements());
    };
    for (int stage = 0; stage < 2; ++stage) {
      const Tensor& maps = stage == 0 ? pool.before : pool.after;
      const int y0 = top + static_cast<int>(p) * group + stage * (line_height + tile + gap);
      std::string text = describe(stage == 0 ? pool.before_name : pool.after_name, maps);
      if (stage == 1)
        text += fmt::format(", {}", share_in_words(static_cast<double>(maps.elements()) / static_cast<double>(pool.before.elements())));
      picture.text(left, y0, text, ink);
      for (std::size_t k = 0; k < channels.size(); ++k) {
        const int x0 = left + static_cast<int>(k) * (tile + gap);
        float least = 0;
        float most = 1e-30F;
        for (std::int64_t y = 0; y < pool.before.shape()[0]; ++y)
          for (std::int64_t x = 0; x < pool.before.shape()[1]; ++x) {
            least = std::min(least, cell_of(pool.before, y, x, channels[k]));
            most = std::max(most, cell_of(pool.before, y, x, channels[k]));
          }
        const std::int64_t h = maps.shape()[0];
        const std::int64_t w = maps.shape()[1];
        for (std::int64_t y = 0; y < h; ++y)
          for (std::int64_t x = 0; x < w; ++x)
            picture.fill(x0 + cell_edge(x, w, tile), y0 + line_height - 4 + cell_edge(y, h, tile),
                         cell_edge(x + 1, w, tile) - cell_edge(x, w, tile), cell_edge(y + 1, h, tile) - cell_edge(y, h, tile),
                         shade((cell_of(maps, y, x, channels[k]) - least) / (most - least)));
      }
    }
  }
  return picture;
}

}  // namespace linn::shift
