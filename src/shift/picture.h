// A small picture to draw on: rectangles, lines, text in a bitmap font, a colour scale. Written as PNG by io/png.
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

/// From dark blue over green to light yellow, lightness rising evenly, so that it reads in grey and with any colour vision.
/// `share` outside 0..1 is clamped; NaN gives grey.
Color heat(double share);
/// Black to white.
Color shade(double share);
/// Colours of lines, told apart by people with any colour vision (Okabe and Ito, 2008); they repeat after eight.
Color line_color(std::size_t number);
/// Black or white, whichever reads better on `background`.
Color readable_on(Color background);

enum class Align : std::uint8_t { left, centre, right };

/// Coordinates are pixels from the upper left corner; what lies outside is not drawn.
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

  /// Text with its upper edge at y; `scale` pixels for each dot of the 5 x 7 font (2 dots below the line for g, j, p, q, y).
  /// At `align` right, x is its end. ASCII; other characters are drawn as a box.
  void text(int x, int y, std::string_view text, Color color, int scale = 2, Align align = Align::left);
  /// The same from bottom to top, x its left edge and y its lower end (or centre).
  void text_upwards(int x, int y, std::string_view text, Color color, int scale = 2, Align align = Align::left);
  static int text_width(std::string_view text, int scale = 2);
  static int text_height(int scale = 2) { return 7 * scale; }

  /// u8 of shape (height, width, 3).
  const Tensor& image() const { return image_; }

 private:
  void blend(int x, int y, Color color, double share);

  int width_;
  int height_;
  Tensor image_;
};

}  // namespace linn::shift
