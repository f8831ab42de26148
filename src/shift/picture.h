// An RGB picture with rectangles, lines, discs, text in a bitmap font, and colour scales. io/png writes it as PNG.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "linn/tensor.h"

namespace linn::shift {

struct Color {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
  friend bool operator==(const Color&, const Color&) = default;
};

inline constexpr Color white{255, 255, 255};
inline constexpr Color ink{33, 37, 41};
inline constexpr Color grey{108, 117, 125};
inline constexpr Color faint{222, 226, 230};

/// Colour scale from dark blue over green to light yellow. Lightness rises evenly, so that it can be read in grey and with any colour
/// vision. `share` outside 0..1 is clamped; NaN gives grey.
Color heat(double share);
/// Grey scale from black (0) to white (1); clamped, NaN gives grey.
Color shade(double share);
/// Colour of line `number`: eight colours for any colour vision (Okabe and Ito, 2008), then from the first again.
Color line_color(std::size_t number);
/// Black or white, the one with more contrast to `background`.
Color readable_on(Color background);

enum class Align : std::uint8_t { left, centre, right };

/// Coordinates are pixels from the upper left corner. Pixels outside the picture are skipped. Not safe for concurrent drawing.
class Picture {
 public:
  /// Throws ValueError for sizes below 1 or above 16384.
  Picture(int width, int height, Color background = white);

  int width() const { return width_; }
  int height() const { return height_; }
  Color at(int x, int y) const;

  void fill(int x, int y, int width, int height, Color color);
  /// The outline, one pixel wide, inside the rectangle.
  void frame(int x, int y, int width, int height, Color color);
  void line(double x0, double y0, double x1, double y1, double thickness, Color color);
  void disc(double x, double y, double radius, Color color);

  /// Text with its upper edge at y. `x` is its left end, its centre or its right end, by `align`. Each dot of the 5 x 7 font takes
  /// `scale` pixels; g, j, p, q and y reach 2 dots below the line. ASCII; other characters are drawn as a box.
  void text(int x, int y, std::string_view text, Color color, int scale = 2, Align align = Align::left);
  /// Text turned by 90 degrees, read from bottom to top. `x` is its left edge; `y` its lower end, centre or upper end, by `align`.
  void text_upwards(int x, int y, std::string_view text, Color color, int scale = 2, Align align = Align::left);
  static int text_width(std::string_view text, int scale = 2);
  static int text_height(int scale = 2) { return 7 * scale; }

  /// u8 of shape (height, width, 3).
  const Tensor& image() const { return image_; }

 private:
  /// Mixes `color` into a pixel: share 0 keeps the pixel, 1 replaces it.
  void blend(int x, int y, Color color, double share);

  int width_;
  int height_;
  Tensor image_;
};

}  // namespace linn::shift
