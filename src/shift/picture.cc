#include "shift/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "linn/error.h"
#include "shift/font.h"

namespace linn::shift {
namespace {

Color mix(Color a, Color b, double share) {
  const auto one = [&](std::uint8_t x, std::uint8_t y) { return static_cast<std::uint8_t>(std::lround(x + (y - x) * share)); };
  return {one(a.red, b.red), one(a.green, b.green), one(a.blue, b.blue)};
}

int checked_size(int size) {
  if (size < 1 || size > 16384) throw ValueError(fmt::format("a picture of {} pixels came; 1 to 16384 are allowed", size));
  return size;
}

// Whether the font sets the dot in column x and row y (from the top) of a character.
bool dot(char character, int x, int y) {
  const auto code = static_cast<unsigned char>(character);
  const std::size_t number = code >= 32 && code < 127 ? code - 32U : 95U;
  const std::string_view row = font_blocks[number / glyphs_in_a_block][static_cast<std::size_t>(y)];
  return row[number % glyphs_in_a_block * (glyph_width + 1) + static_cast<std::size_t>(x)] == '#';
}

}  // namespace

Color heat(double share) {
  // CIE lightness L* rises from 15 to 92 in nearly even steps; the hue runs from violet over blue and green to yellow.
  static constexpr std::array<Color, 9> stops = {{{48, 18, 80},
                                                  {60, 45, 125},
                                                  {52, 78, 145},
                                                  {36, 108, 148},
                                                  {27, 137, 141},
                                                  {46, 165, 123},
                                                  {105, 191, 93},
                                                  {176, 212, 66},
                                                  {246, 230, 74}}};
  if (std::isnan(share)) return {173, 181, 189};
  const double at = std::clamp(share, 0.0, 1.0) * (stops.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(at), stops.size() - 2);
  return mix(stops[low], stops[low + 1], at - static_cast<double>(low));
}

Color shade(double share) {
  if (std::isnan(share)) return {173, 181, 189};
  return mix({0, 0, 0}, white, std::clamp(share, 0.0, 1.0));
}

Color line_color(std::size_t number) {
  static constexpr std::array<Color, 8> colors = {
      {{0, 0, 0}, {213, 94, 0}, {0, 114, 178}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}, {160, 150, 20}}};
  return colors[number % colors.size()];
}

Color readable_on(Color background) {
  const double light = 0.299 * background.red + 0.587 * background.green + 0.114 * background.blue;
  return light > 118 ? Color{20, 20, 20} : white;
}

Picture::Picture(int width, int height, Color background)
    : width_(checked_size(width)), height_(checked_size(height)), image_({height, width, 3}, DType::u8) {
  fill(0, 0, width, height, background);
}

Color Picture::at(int x, int y) const {
  if (x < 0 || y < 0 || x >= width_ || y >= height_)
    throw ValueError(fmt::format("pixel ({}, {}) lies outside {} x {}", x, y, width_, height_));
  const std::uint8_t* pixel = image_.values<std::uint8_t>().data() + 3 * (static_cast<std::ptrdiff_t>(y) * width_ + x);
  return {pixel[0], pixel[1], pixel[2]};
}

void Picture::blend(int x, int y, Color color, double share) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
  std::uint8_t* pixel = image_.values<std::uint8_t>().data() + 3 * (static_cast<std::ptrdiff_t>(y) * width_ + x);
  const Color mixed = mix({pixel[0], pixel[1], pixel[2]}, color, std::clamp(share, 0.0, 1.0));
  pixel[0] = mixed.red;
  pixel[1] = mixed.green;
  pixel[2] = mixed.blue;
}

void Picture::fill(int x, int y, int width, int height, Color color) {
  for (int row = std::max(0, y); row < std::min(height_, y + height); ++row)
    for (int column = std::max(0, x); column < std::min(width_, x + width); ++column) blend(column, row, color, 1);
}

void Picture::frame(int x, int y, int width, int height, Color color) {
  fill(x, y, width, 1, color);
  fill(x, y + height - 1, width, 1, color);
  fill(x, y, 1, height, color);
  fill(x + width - 1, y, 1, height, color);
}

void Picture::line(double x0, double y0, double x1, double y1, double thickness, Color color) {
  const double length = std::hypot(x1 - x0, y1 - y0);
  const double reach = thickness / 2 + 1;
  const auto first = [&](double a, double b) { return static_cast<int>(std::floor(std::min(a, b) - reach)); };
  const auto last = [&](double a, double b) { return static_cast<int>(std::ceil(std::max(a, b) + reach)); };
  for (int y = std::max(0, first(y0, y1)); y <= std::min(height_ - 1, last(y0, y1)); ++y)
    for (int x = std::max(0, first(x0, x1)); x <= std::min(width_ - 1, last(x0, x1)); ++x) {
      const double px = x + 0.5 - x0;
      const double py = y + 0.5 - y0;
      const double along = length > 0 ? std::clamp((px * (x1 - x0) + py * (y1 - y0)) / (length * length), 0.0, 1.0) : 0;
      const double away = std::hypot(px - along * (x1 - x0), py - along * (y1 - y0));
      blend(x, y, color, thickness / 2 + 0.5 - away);  // antialiasing: the covered part of an edge pixel
    }
}

void Picture::disc(double x, double y, double radius, Color color) { line(x, y, x, y, 2 * radius, color); }

int Picture::text_width(std::string_view text, int scale) {
  return text.empty() ? 0 : static_cast<int>(text.size()) * (glyph_width + 1) * scale - scale;
}

void Picture::text(int x, int y, std::string_view text, Color color, int scale, Align align) {
  if (align == Align::centre) x -= text_width(text, scale) / 2;
  if (align == Align::right) x -= text_width(text, scale);
  for (const char character : text) {
    for (int row = 0; row < glyph_height; ++row)
      for (int column = 0; column < glyph_width; ++column)
        if (dot(character, column, row)) fill(x + column * scale, y + row * scale, scale, scale, color);
    x += (glyph_width + 1) * scale;
  }
}

void Picture::text_upwards(int x, int y, std::string_view text, Color color, int scale, Align align) {
  if (align == Align::centre) y += text_width(text, scale) / 2;
  if (align == Align::right) y += text_width(text, scale);
  for (const char character : text) {
    for (int row = 0; row < glyph_height; ++row)
      for (int column = 0; column < glyph_width; ++column)
        if (dot(character, column, row)) fill(x + row * scale, y - (column + 1) * scale, scale, scale, color);
    y -= (glyph_width + 1) * scale;
  }
}

}  // namespace linn::shift
