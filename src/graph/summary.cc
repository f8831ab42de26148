#include "graph/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <regex>
#include <string_view>

#include "core/text_cells.h"
#include "graph/nested.h"
#include "linn/error.h"

namespace linn::detail::graph {
namespace {

// ---- text with styles --------------------------------------------------------------------------------------------

// `heading_edge` looks like `heading`; the two are apart because rich writes a cell's edges as pieces of their own.
enum class Style : std::uint8_t { plain, bold, number, none, symbol, yes, no, heading, heading_edge };

std::string_view codes_of(Style style) {
  switch (style) {
    case Style::plain: return "";
    case Style::bold:
    case Style::heading:
    case Style::heading_edge: return "1";
    case Style::number: return "38;5;34";
    case Style::none: return "38;5;45";
    case Style::symbol: return "38;5;33";
    case Style::yes: return "1;38;5;34";
    case Style::no: return "1;91";
  }
  return "";
}

struct Glyph {
  char32_t code;
  int cells;
  Style style;
};

// A glyph without cells belongs to the one before it.
class Text {
 public:
  Text() = default;
  explicit Text(std::string_view text, Style style = Style::plain) { add(text, style); }

  Text& add(std::string_view text, Style style = Style::plain) {
    for (char32_t code : core::from_utf8(text)) {
      if (core::is_control(code)) code = 0xFFFD;
      const bool joined = !glyphs_.empty() && glyphs_.back().code == zero_width_joiner;
      glyphs_.push_back({code, joined ? 0 : core::cells_of(code), style});
    }
    return *this;
  }
  Text& add(const Text& text) {
    glyphs_.insert(glyphs_.end(), text.glyphs_.begin(), text.glyphs_.end());
    return *this;
  }
  Text& add_spaces(std::int64_t count, Style style = Style::plain) {
    glyphs_.insert(glyphs_.end(), static_cast<std::size_t>(std::max<std::int64_t>(count, 0)), {' ', 1, style});
    return *this;
  }

  std::size_t size() const { return glyphs_.size(); }
  const Glyph& operator[](std::size_t i) const { return glyphs_[i]; }
  std::int64_t cells() const { return cells(0, size()); }
  std::int64_t cells(std::size_t first, std::size_t last) const {
    std::int64_t total = 0;
    for (std::size_t i = first; i < last; ++i) total += glyphs_[i].cells;
    return total;
  }
  Text part(std::size_t first, std::size_t last) const {
    Text result;
    result.glyphs_.assign(glyphs_.begin() + static_cast<std::ptrdiff_t>(first), glyphs_.begin() + static_cast<std::ptrdiff_t>(last));
    return result;
  }
  void strip_end(std::size_t most) {
    for (; most > 0 && !glyphs_.empty() && core::is_space(glyphs_.back().code); --most) glyphs_.pop_back();
  }
  void set_style(Style style) {
    for (Glyph& glyph : glyphs_) glyph.style = style;
  }

  /// Cuts to so many cells at most; half of a wide glyph becomes a space.
  void cut(std::int64_t width) {
    std::int64_t used = 0;
    std::size_t kept = 0;
    while (kept < size() && used + glyphs_[kept].cells <= width) used += glyphs_[kept++].cells;
    if (kept == size()) return;
    const Style style = glyphs_[kept].style;
    glyphs_.erase(glyphs_.begin() + static_cast<std::ptrdiff_t>(kept), glyphs_.end());
    if (used < width) add_spaces(width - used, style);
  }
  /// Cuts to so many cells, the last of them "…", if it has more.
  void shorten(std::int64_t width) {
    if (cells() <= width) return;
    const std::vector<Glyph> before = glyphs_;
    cut(width - 1);
    glyphs_.push_back({U'…', 1, before[std::min(size(), before.size() - 1)].style});
  }

  void write(std::string& to, bool color) const {
    for (std::size_t i = 0; i < size();) {
      std::size_t end = i;
      while (end < size() && glyphs_[end].style == glyphs_[i].style) ++end;
      const std::string_view codes = color ? codes_of(glyphs_[i].style) : "";
      if (!codes.empty()) to.append("\x1b[").append(codes).append("m");
      for (; i < end; ++i) core::append_utf8(to, glyphs_[i].code);
      if (!codes.empty()) to += "\x1b[0m";
    }
  }

 private:
  static constexpr char32_t zero_width_joiner = 0x200D;
  std::vector<Glyph> glyphs_;
};

// ---- wrapping, as rich does it -----------------------------------------------------------------------------------

struct Word {
  std::size_t first, last;  // with the white space behind it
  std::size_t letters;      // end without it
};

std::vector<Word> words_of(const Text& text) {
  std::vector<Word> words;
  const auto skip = [&](std::size_t at, bool space) {
    while (at < text.size() && core::is_space(text[at].code) == space) ++at;
    return at;
  };
  for (std::size_t first = 0; first < text.size();) {
    const std::size_t letters = skip(skip(first, true), false);
    const std::size_t last = skip(letters, true);
    if (letters > first && !core::is_space(text[letters - 1].code)) words.push_back({first, last, letters});
    first = last;
  }
  return words;
}

// Breaks a word that fits on no line; returns the cells that its last line takes.
std::int64_t fold(const Text& text, const Word& word, std::int64_t width, std::vector<std::size_t>& breaks) {
  if (word.first > 0) breaks.push_back(word.first);
  std::int64_t used = 0;
  for (std::size_t i = word.first; i < word.last; ++i) {
    if (used + text[i].cells > width) {
      breaks.push_back(i);
      used = 0;
    }
    used += text[i].cells;
  }
  return used;
}

// Words go on the next line when this one is full. A word longer than a line is folded, or left to be shortened.
std::vector<Text> wrap(const Text& text, std::int64_t width, bool folded) {
  std::vector<std::size_t> breaks;
  std::int64_t used = 0;
  for (const Word& word : words_of(text)) {
    const std::int64_t letters = text.cells(word.first, word.letters);
    const std::int64_t all = text.cells(word.first, word.last);
    if (width - used >= letters) {
      used += all;
    } else if (letters > width && folded) {
      used = fold(text, word, width, breaks);
    } else if (letters > width || used > 0) {
      if (word.first > 0) breaks.push_back(word.first);
      used = all;
    }
  }
  breaks.push_back(text.size());
  std::vector<Text> lines;
  std::size_t first = 0;
  for (const std::size_t last : breaks) {
    lines.push_back(text.part(first, last));
    Text& line = lines.back();
    if (line.size() > static_cast<std::size_t>(width)) line.strip_end(line.size() - static_cast<std::size_t>(width));
    first = last;
  }
  return lines;
}

enum class Align : std::uint8_t { left, right, center };

Text aligned(Text line, std::int64_t width, Align align) {
  if (align != Align::left) line.strip_end(line.size());
  line.shorten(width);
  const std::int64_t space = width - line.cells();
  const std::int64_t before = align == Align::left ? 0 : align == Align::right ? space : space / 2;
  return Text().add_spaces(before).add(line).add_spaces(space - before);
}

// ---- the table ---------------------------------------------------------------------------------------------------

struct Column {
  std::string_view name;
  Align align;
  std::int64_t width = 0;  // with a space at each side
};

using Cells = std::vector<Text>;

std::int64_t line_length(const SummaryStyle& style, bool branches) {
  if (style.line_length != 0) return style.line_length;
  return std::min<std::int64_t>((branches ? 108 : 88) + (style.show_trainable ? 12 : 0), style.columns - 4);
}

// Division to the nearest, halves to even, as Python's round().
std::int64_t rounded_share(std::int64_t total, std::int64_t parts) {
  return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(total) / static_cast<double>(parts)));
}

// Keras asks for more than fits, because it forgets the borders; rich takes the excess from all columns alike. What is
// missing, with positions that end below 1, rich gives to the columns by their widths.
void fit_columns(std::vector<Column>& columns, std::int64_t available) {
  auto left = static_cast<std::int64_t>(columns.size());
  std::int64_t total = 0;
  for (const Column& column : columns) total += column.width;
  std::int64_t excess = total - available;
  if (excess > 0)
    for (Column& column : columns) {
      const std::int64_t less = std::min(column.width, rounded_share(excess, left--));
      column.width -= less;
      excess -= less;
    }
  std::int64_t missing = available - total;
  if (missing > 0)
    for (Column& column : columns) {
      const std::int64_t width = column.width;
      const std::int64_t more = total > 0 ? (width * missing + total - 1) / total : missing;
      column.width += more;
      total -= width;
      missing -= more;
    }
}

std::vector<Column> columns_of(const SummaryStyle& style, bool branches, std::int64_t length) {
  std::vector<Column> columns{{"Layer (type)", Align::left}, {"Output Shape", Align::left}, {"Param #", Align::right}};
  std::vector<double> positions{0.45, 0.80, 1.0};
  if (branches) {
    columns.push_back({"Connected to", Align::left});
    positions = {0.3, 0.56, 0.74, 1.0};
  }
  if (!style.positions.empty()) positions = style.positions;
  if (positions.size() != columns.size()) throw ValueError(fmt::format("summary: {} positions came; {} are needed, one a column", positions.size(), columns.size()));
  if (style.show_trainable) {
    for (double& position : positions) position *= 0.90;
    positions.push_back(1.0);
    columns.push_back({"Trainable", Align::center});
  }
  std::int64_t end = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const double place = positions[i] * static_cast<double>(length);
    const std::int64_t width = std::isfinite(place) && std::abs(place) < 1e9 ? static_cast<std::int64_t>(place) - end : 0;
    if (width < 4)
      throw ValueError(fmt::format("summary: a line of {} characters leaves column \"{}\" {} of them and 4 are needed; use a larger line_length or console", length,
                                   columns[i].name, width));
    columns[i].width = width + 2;
    end += width;
  }
  fit_columns(columns, length - static_cast<std::int64_t>(columns.size()) - 1);
  return columns;
}

class Table {
 public:
  Table(std::vector<Column> columns, const SummaryStyle& style) : columns_(std::move(columns)), style_(style) {}

  void rule(std::string_view left, std::string_view line, std::string_view cross, std::string_view right) {
    Text text(left);
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      for (std::int64_t i = 0; i < columns_[c].width; ++i) text.add(line);
      text.add(c + 1 < columns_.size() ? cross : right);
    }
    put(std::move(text));
  }

  void heading() {
    Cells cells;
    for (const Column& column : columns_) cells.emplace_back(column.name);
    row(cells, "┃", true);
  }
  void row(const Cells& cells) { row(cells, "│", false); }

  std::string take() { return std::move(text_); }

 private:
  void put(Text line) {
    line.cut(style_.columns);
    line.write(text_, style_.color);
    text_ += '\n';
  }

  std::vector<Text> cell_lines(const Text& text, const Column& column, bool heading) const {
    const Style edge = heading ? Style::heading_edge : Style::plain;
    const std::int64_t width = column.width - 2;
    std::vector<Text> lines;
    if (width < 1) return lines;
    for (const Text& wrapped : wrap(text, width, false)) {
      Text line = aligned(wrapped, width, column.align);
      if (heading) line.set_style(Style::heading);
      lines.push_back(Text().add_spaces(1, edge).add(line).add_spaces(1, edge));
    }
    return lines;
  }

  void row(const Cells& cells, std::string_view border, bool heading) {
    std::vector<std::vector<Text>> columns;
    std::size_t height = 1;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      columns.push_back(cell_lines(cells[c], columns_[c], heading));
      height = std::max(height, columns.back().size());
    }
    for (std::size_t y = 0; y < height; ++y) {
      Text line(border);
      for (std::size_t c = 0; c < columns_.size(); ++c) {
        const std::vector<Text>& lines = columns[c];
        const std::size_t above = heading ? height - lines.size() : 0;  // headings stand at the bottom
        if (y >= above && y - above < lines.size())
          line.add(lines[y - above]);
        else
          line.add_spaces(columns_[c].width, heading ? Style::heading : Style::plain);
        line.add(border);
      }
      put(std::move(line));
    }
  }

  std::vector<Column> columns_;
  const SummaryStyle& style_;
  std::string text_;
};

// ---- what stands in the cells ------------------------------------------------------------------------------------

// Whether Keras prints the model with the column "Connected to": some layer has several inputs, is called twice, or has another beside it at
// the same distance from the outputs.
bool has_branches(const Graph& graph) {
  if (graph.is_chain()) return false;
  for (const Call& call : graph.calls())
    if (call.inputs.size() > 1) return true;
  for (const Member& member : graph.all_members())
    if (member.calls.size() > 1) return true;
  std::vector<int> depths(graph.calls().size(), 0);
  std::vector<int> widths(graph.calls().size(), 0);
  for (std::size_t c = depths.size(); c-- > 0;) {
    if (++widths[static_cast<std::size_t>(depths[c])] > 1) return true;
    for (const Port port : graph.calls()[c].inputs) {
      int& before = depths[static_cast<std::size_t>(port.call)];
      before = std::max(before, depths[c] + 1);
    }
  }
  return false;
}

Text one_shape(const Shape& shape) {
  Text text("(");
  text.add("None", Style::none);
  for (const std::int64_t size : shape) {
    text.add(", ");
    size == Shape::none ? text.add("None", Style::none) : text.add(std::to_string(size), Style::number);
  }
  return text.add(")");
}

// Of the last call, as Keras has it.
Text shape_text(const Graph& graph, const Member& member) {
  if (!graph.built()) return Text("?");
  const std::vector<Shape>& shapes = graph.calls()[static_cast<std::size_t>(member.calls.back())].outputs;
  if (shapes.size() == 1) return one_shape(shapes.front());
  Text text("[");
  for (std::size_t i = 0; i < shapes.size(); ++i) text.add(i == 0 ? "" : ", ").add(one_shape(shapes[i]));
  return text.add("]");
}

Text count_text(const Graph& graph, const Member& member) {
  if (!graph.built()) {
    Text zero("0", Style::number);
    return member.layer->description->waits_for_input() ? zero.add(" (unbuilt)") : zero;
  }
  std::int64_t count = 0;
  for (const int index : member.variables) count += graph.variables()[static_cast<std::size_t>(index)].shape().elements();
  return Text(core::thousands(count), Style::number);
}

// "conv2d[0][0], add[0][0]": the values that all calls of the layer read, by layer, its call and output.
Text connections_text(const Graph& graph, const Member& member) {
  Text text;
  for (const int call : member.calls)
    for (const Port port : graph.calls()[static_cast<std::size_t>(call)].inputs) {
      const Member& from = graph.member_of(port);
      std::int64_t index = 0;
      while (from.calls[static_cast<std::size_t>(index)] != port.call) ++index;
      if (text.size() > 0) text.add(", ");
      text.add(from.name).add("[").add(std::to_string(index), Style::number).add("][").add(std::to_string(port.output), Style::number).add("]");
    }
  return text.size() > 0 ? text : Text("-");
}

// The row of a layer; `depth`: how many models it is inside of.
Cells cells_of(const Graph& graph, const Member& member, int depth, bool branches, const SummaryStyle& style) {
  Text name;
  if (depth > 0) name.add_spaces(3 * depth).add("└ ");
  name.add(member.name).add(" (").add(member.class_name(), Style::symbol).add(")");
  Cells cells{name, shape_text(graph, member), count_text(graph, member)};
  if (branches) cells.push_back(depth > 0 ? Text("-") : connections_text(graph, member));
  if (style.show_trainable) {
    if (member.variables.empty())
      cells.emplace_back("-", Style::bold);
    else
      cells.push_back(member.layer->trainable ? Text("Y", Style::yes) : Text("N", Style::no));
  }
  return cells;
}

// A layer's row, and below it those of the layers in it.
void add_rows(std::vector<Cells>& rows, const Graph& graph, const Member& member, int depth, bool branches, const SummaryStyle& style) {
  rows.push_back(cells_of(graph, member, depth, branches, style));
  const Graph* inner = style.expand_nested ? graph_in(*member.layer) : nullptr;
  if (inner == nullptr) return;
  for (const Member& nested : inner->members()) add_rows(rows, *inner, nested, depth + 1, branches, style);
}

// First layer and the one behind the last; the whole range between them, whichever comes first, as in Keras.
std::pair<std::size_t, std::size_t> range_of(const Graph& graph, const SummaryStyle& style) {
  const std::span<const Member> members = graph.members();
  if (!style.layer_range) return {0, members.size()};
  const auto matches = [&](const std::string& pattern) {
    std::vector<std::size_t> found;
    try {
      const std::regex expression(pattern);
      for (std::size_t i = 0; i < members.size(); ++i)
        if (std::regex_search(members[i].name, expression, std::regex_constants::match_continuous)) found.push_back(i);
    } catch (const std::regex_error&) {
      throw ValueError(fmt::format("summary: layer_range \"{}\" is not a regular expression", pattern));
    }
    if (found.empty()) throw ValueError(fmt::format("summary: layer_range \"{}\" matches no layer of model \"{}\"", pattern, graph.name()));
    return found;
  };
  const std::vector<std::size_t> lower = matches(style.layer_range->first);
  const std::vector<std::size_t> upper = matches(style.layer_range->second);
  if (lower.front() > upper.back()) return {upper.front(), lower.back() + 1};
  return {lower.front(), upper.back() + 1};
}

void print(std::string& to, const Text& text, const SummaryStyle& style) {
  for (Text& line : wrap(text, style.columns, true)) {
    line.cut(style.columns);
    line.write(to, style.color);
    to += '\n';
  }
}

constexpr std::int64_t longest_line = 1 << 16;

void check(const SummaryStyle& style) {
  if (style.columns < 1) throw ValueError(fmt::format("summary: the console has {} columns; 1 or more are needed", style.columns));
  if (style.line_length < 0 || style.line_length > longest_line)
    throw ValueError(fmt::format("summary: line_length is {}; it must lie between 0 (as wide as the console) and {}", style.line_length, longest_line));
}

}  // namespace

OptimizerNumbers optimizer_numbers(const Graph& graph, const OptimizerDescription& optimizer) {
  auto count = static_cast<std::int64_t>(optimizer.common_state(0).size());
  for (const GraphVariable& variable : graph.variables())
    if (variable.trainable())
      for (const OptimizerSlot& slot : optimizer.slots({variable.shape(), variable.name})) count += slot.shape.elements();
  return {.count = count + 2, .bytes = count * 4 + 8 + 4};
}

std::string readable_size(std::int64_t bytes) {
  constexpr std::array<std::string_view, 6> units{"B", "KB", "MB", "GB", "TB", "PB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < units.size(); ++unit) size /= 1024;
  return fmt::format("{:.2f} {}", size, units[unit]);
}

std::string summary(const Graph& graph, const SummaryStyle& style) {
  check(style);
  const bool branches = has_branches(graph);
  Table table(columns_of(style, branches, line_length(style, branches)), style);
  const auto [first, last] = range_of(graph, style);
  table.rule("┏", "━", "┳", "┓");
  table.heading();
  table.rule("┡", "━", "╇", "┩");
  std::vector<Cells> rows;
  for (std::size_t i = first; i < last; ++i) add_rows(rows, graph, graph.members()[i], 0, branches, style);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) table.rule("├", "─", "┼", "┤");
    table.row(rows[i]);
  }
  table.rule("└", "─", "┴", "┘");

  std::string text;
  print(text, Text("Model: \"", Style::bold).add(graph.name(), Style::bold).add("\"", Style::bold), style);
  text += table.take();
  const auto count_line = [&](std::string_view label, std::int64_t count, std::int64_t bytes) {
    print(text, Text(label, Style::bold).add(core::thousands(count), Style::number).add(fmt::format(" ({})", readable_size(bytes))), style);
  };
  const std::int64_t all = graph.parameters(false);
  const std::int64_t trainable = graph.parameters(true);
  const OptimizerNumbers optimizer = style.optimizer.value_or(OptimizerNumbers{});
  count_line(" Total params: ", all + optimizer.count, 4 * all + optimizer.bytes);
  count_line(" Trainable params: ", trainable, 4 * trainable);
  count_line(" Non-trainable params: ", all - trainable, 4 * (all - trainable));
  if (style.optimizer) count_line(" Optimizer params: ", optimizer.count, optimizer.bytes);
  return text;
}

}  // namespace linn::detail::graph
