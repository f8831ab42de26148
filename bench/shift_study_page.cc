// Tables and pictures of docs/shift-study.md from what shift_study measured.
//   shift_study_page FOLDER DOCS   reads FOLDER/mnist.csv, fashion-mnist.csv and cifar10.csv; writes the tables into DOCS/shift-study.md, each between
//                                  a line "<!-- table: NAME -->" and the next "<!-- end -->", DOCS/pictures/shift-study-*.png. What was not measured is left out
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <map>
#include <numeric>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"
#include "io/png.h"
#include "shift/picture.h"

namespace {

using linn::shift::Align;
using linn::shift::Color;
using linn::shift::Picture;

std::string text_of(const std::string& path) {
  const linn::detail::core::Bytes bytes = linn::detail::io::read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// ---- what was measured -------------------------------------------------------------------------------------------

struct Key {
  std::string network, head, images;
  auto operator<=>(const Key&) const = default;
};

// A network's seeds, column by column; empty where it was not measured.
struct Row {
  std::map<std::string, std::vector<double>> columns;

  std::vector<double> of(const std::string& column) const {
    const auto found = columns.find(column);
    return found == columns.end() ? std::vector<double>{} : found->second;
  }
};

struct Measured {
  std::map<Key, Row> rows;
  std::vector<Key> order;  // as in the file

  const Row& at(const Key& key) const {
    const auto found = rows.find(key);
    if (found == rows.end()) throw std::runtime_error(fmt::format("\"{}\", {}, {} is not there yet", key.network, key.head, key.images));
    return found->second;
  }
};

std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> result;
  std::stringstream in(line);
  for (std::string field; std::getline(in, field, ';');) result.push_back(field);
  return result;
}

Measured read_measured(const std::string& path) {
  Measured measured;
  std::stringstream in(text_of(path));
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> names = fields(line);
  while (std::getline(in, line)) {
    const std::vector<std::string> values = fields(line);
    if (values.size() != names.size()) throw std::runtime_error(fmt::format("{}: \"{}\" has {} fields, not {}", path, line, values.size(), names.size()));
    const Key key{values[0], values[1], values[2]};
    if (!measured.rows.contains(key)) measured.order.push_back(key);
    for (std::size_t i = 4; i < values.size(); ++i)
      if (!values[i].empty()) measured.rows[key].columns[names[i]].push_back(std::stod(values[i]));
  }
  return measured;
}

double mean(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

// ---- tables ------------------------------------------------------------------------------------------------------

std::string percent(const std::vector<double>& values) {
  if (values.empty()) return "-";
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return values.size() == 1 ? fmt::format("{:.2f}", 100 * mean(values)) : fmt::format("{:.2f} ({:.2f} - {:.2f})", 100 * mean(values), 100 * *least, 100 * *most);
}

struct Line {
  std::string name;
  Key key;
};

std::string table(const Measured& measured, const std::vector<Line>& lines) {
  std::string text =
      "| network | accuracy, % | right at every shift within 4, % | two shifts agree, % | circular, within 8, % | parameters | million operations |\n|---|---|---|---|---|---|---|\n";
  for (const auto& [name, key] : lines) {
    const Row& row = measured.at(key);
    text += fmt::format("| {} | {} | {} | {} | {} | {:.0f} | {:.1f} |\n", name, percent(row.of("accuracy")), percent(row.of("worst case 4")), percent(row.of("consistency")),
                        percent(row.of("circular consistency")), row.of("parameters").at(0), row.of("million operations").at(0));
  }
  return text;
}

// The trunk with every way of making maps smaller under both heads.
std::vector<Line> all_networks(const Measured& measured, const std::string& images) {
  std::vector<Line> lines;
  for (const Key& key : measured.order)
    if (key.images == images && !key.network.ends_with("ring")) lines.push_back({key.network + ", " + key.head, key});
  return lines;
}

std::vector<Line> rivals() {
  return {{"the notebook's network", {"max 2x2", "flatten", "in the middle"}},
          {"moved training images", {"max 2x2", "flatten", "moved"}},
          {"centre of mass put in the middle", {"max 2x2", "flatten", "centre of mass"}},
          {"mean over 25 shifts at test time", {"max 2x2", "flatten", "mean of 25"}},
          {"larger windows (max 3x3)", {"max 3x3", "flatten", "in the middle"}},
          {"no pooling", {"no pooling", "flatten", "in the middle"}},
          {"global pooling alone", {"max 2x2", "global max", "in the middle"}},
          {"global pooling, moved training images", {"max 2x2", "global max", "moved"}},
          {"blur 3", {"max, blur 3", "flatten", "in the middle"}},
          {"blur 3, global pooling, ring", {"max, blur 3, ring", "global max", "in the middle"}},
          {"APS, global pooling, ring", {"max, APS", "global max", "in the middle"}}};
}

// resnet20 and what is made of it.
std::string cifar_table(const Measured& measured) {
  const std::vector<Line> lines = {{"zero padding (`same`)", {"plain", "global average", "in the middle"}},
                                   {"circular padding", {"circular", "global average", "in the middle"}},
                                   {"circular, blur 3 before each stride", {"blur", "global average", "in the middle"}},
                                   {"circular, APS", {"aps", "global average", "in the middle"}},
                                   {"circular, LPS", {"lps", "global average", "in the middle"}},
                                   {"circular, DDAC", {"ddac", "global average", "in the middle"}},
                                   {"circular, FLC", {"flc", "global average", "in the middle"}},
                                   {"circular, TIPS", {"tips", "global average", "in the middle"}},
                                   {"zero padding, moved training images", {"plain", "global average", "moved"}},
                                   {"circular, APS, moved training images", {"aps", "global average", "moved"}}};
  std::string text =
      "| resnet20 with | accuracy, % | two shifts agree, % | right at every shift, % | two circular shifts agree, % | right at every circular shift, % | seeds | "
      "parameters | million operations |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const auto& [name, key] : lines) {
    if (!measured.rows.contains(key)) continue;
    const Row& row = measured.at(key);
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {:.0f} | {:.1f} |\n", name, percent(row.of("accuracy")), percent(row.of("consistency")),
                        percent(row.of("worst case 4")), percent(row.of("circular consistency")), percent(row.of("circular worst case")),
                        row.of("accuracy").size(), row.of("parameters").at(0), row.of("million operations").at(0));
  }
  return text;
}

void put_table(std::string& page, const std::string& name, const std::string& text) {
  const std::string begin = fmt::format("<!-- table: {} -->\n", name);
  const std::size_t from = page.find(begin), to = page.find("<!-- end -->", from);
  if (from == std::string::npos || to == std::string::npos) throw std::runtime_error(fmt::format("the page has no place for the table \"{}\"", name));
  page.replace(from + begin.size(), to - from - begin.size(), text);
}

// ---- pictures ----------------------------------------------------------------------------------------------------

struct Series {
  std::string name, head, images;
  Color color;
};

const std::vector<Series>& all_series() {
  static const std::vector<Series> series = {{"flatten", "flatten", "in the middle", linn::shift::line_color(0)},
                                             {"flatten, moved training images", "flatten", "moved", linn::shift::line_color(1)},
                                             {"global max", "global max", "in the middle", linn::shift::line_color(2)},
                                             {"global max, moved training images", "global max", "moved", linn::shift::line_color(3)}};
  return series;
}

constexpr int margin = 28, names_width = 170, panel_width = 520, panel_gap = 56, row_height = 60, top = 150;

// Seeds as a bar from the least to the most, their mean as a disc.
void draw_row(Picture& picture, int left, int y, const std::vector<double>& values, Color color) {
  if (values.empty()) return;
  const auto at = [&](double share) { return left + share * panel_width; };
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  picture.line(at(*least), y, at(*most), y, 3, color);
  picture.disc(at(mean(values)), y, 6, color);
}

void draw_panel(Picture& picture, const Measured& measured, const std::vector<std::string>& networks, int left, const std::string& title, const std::string& column) {
  const int height = static_cast<int>(networks.size()) * row_height;
  picture.text(left, top - 30, title, linn::shift::ink);
  for (int share = 0; share <= 100; share += 20) {
    const int x = left + panel_width * share / 100;
    picture.fill(x, top, 1, height, linn::shift::faint);
    picture.text(x, top + height + 10, fmt::format("{}", share), linn::shift::grey, 2, Align::centre);
  }
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const int y = top + static_cast<int>(i) * row_height;
    picture.fill(left, y + row_height, panel_width, 1, linn::shift::faint);
    int line = y + 9;
    for (const Series& series : all_series()) {
      const auto row = measured.rows.find({networks[i], series.head, series.images});
      if (row != measured.rows.end()) draw_row(picture, left, line, row->second.of(column), series.color);
      line += 14;
    }
  }
}

Picture picture_of(const Measured& measured, const std::string& name) {
  std::vector<std::string> networks;
  for (const Line& line : all_networks(measured, "in the middle"))
    if (line.key.head == "flatten") networks.push_back(line.key.network);
  const int first = margin + names_width, second = first + panel_width + panel_gap;
  Picture picture(second + panel_width + margin + 20, top + static_cast<int>(networks.size()) * row_height + 60);
  picture.text(margin, margin, fmt::format("What makes a network mind shifts: {}, in %", name), linn::shift::ink, 3);
  int x = margin;
  for (const Series& series : all_series()) {
    picture.disc(x + 6, margin + 51, 6, series.color);
    picture.text(x + 20, margin + 44, series.name, linn::shift::ink);
    x += 44 + Picture::text_width(series.name);
  }
  for (std::size_t i = 0; i < networks.size(); ++i)
    picture.text(margin, top + static_cast<int>(i) * row_height + row_height / 2 - 6, networks[i], linn::shift::ink);
  draw_panel(picture, measured, networks, first, "right at every shift within 4 pixels", "worst case 4");
  draw_panel(picture, measured, networks, second, "two circular shifts agree, within 8", "circular consistency");
  return picture;
}

void write_page(const std::string& folder, const std::string& docs) {
  std::string page = text_of(docs + "/shift-study.md");
  const std::array<std::array<std::string, 2>, 2> sets{{{"mnist", "MNIST"}, {"fashion-mnist", "Fashion-MNIST"}}};
  for (const auto& [file, name] : sets) {
    const Measured measured = read_measured(fmt::format("{}/{}.csv", folder, file));
    for (const std::string images : {"in the middle", "moved"}) put_table(page, fmt::format("{}, {}", file, images), table(measured, all_networks(measured, images)));
    put_table(page, file + ", rivals", table(measured, rivals()));
    linn::detail::io::write_png(fmt::format("{}/pictures/shift-study-{}.png", docs, file), picture_of(measured, name).image());
  }
  put_table(page, "cifar10", cifar_table(read_measured(folder + "/cifar10.csv")));
  linn::detail::io::write_file_atomically(docs + "/shift-study.md", std::as_bytes(std::span(page)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: {} FOLDER DOCS\n", argv[0]);
    return 2;
  }
  try {
    write_page(argv[1], argv[2]);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "shift_study_page: {}\n", problem.what());
    return 1;
  }
  return 0;
}
