#include "layers/einsum.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "linn/error.h"
#include "schema/type.h"

namespace linn::detail::layers {
namespace {

struct Letters {
  std::string input, kernel, output;
  bool elided = false;  // input and output begin with "..."
};

bool holds(const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; }
bool are_letters(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }) &&
         std::set<char>(text.begin(), text.end()).size() == text.size();
}
std::string without_dots(std::string text, bool& dots) {
  dots = text.starts_with("...");
  return dots ? text.substr(3) : text;
}

/// Empty letters where the text is no equation.
Letters split(const std::string& equation) {
  const std::size_t comma = equation.find(','), arrow = equation.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || comma > arrow) return {};
  Letters letters;
  bool input_dots = false, output_dots = false;
  letters.input = without_dots(equation.substr(0, comma), input_dots);
  letters.kernel = equation.substr(comma + 1, arrow - comma - 1);
  letters.output = without_dots(equation.substr(arrow + 2), output_dots);
  letters.elided = input_dots;
  if (input_dots != output_dots || letters.input.empty() || letters.kernel.empty() || letters.output.empty()) return {};
  if (!are_letters(letters.input) || !are_letters(letters.kernel) || !are_letters(letters.output)) return {};
  return letters;
}

/// Letters of `from` that `other` holds, or does not hold.
std::string filtered(const std::string& from, const std::string& other, bool held) {
  std::string result;
  for (const char letter : from)
    if (holds(other, letter) == held) result += letter;
  return result;
}

std::string fault_of_letters(const Letters& l) {
  if (!l.elided && (l.input[0] != l.output[0] || holds(l.kernel, l.input[0])))
    return "the first letter of input and output is the batch; it must be the same, and not of the kernel";
  for (const char letter : l.kernel) {
    if (holds(l.input, letter) && holds(l.output, letter))
      return fmt::format("letter {} is of input, kernel and output: a matrix product sums over it or adds it", letter);
    if (!holds(l.input, letter) && !holds(l.output, letter)) return fmt::format("letter {} of the kernel is neither of the input nor of the output", letter);
  }
  for (const char letter : l.input)
    if (!holds(l.kernel, letter) && !holds(l.output, letter)) return fmt::format("letter {} of the input is neither of the kernel nor of the output", letter);
  for (const char letter : l.output)
    if (!holds(l.input, letter) && !holds(l.kernel, letter)) return fmt::format("letter {} of the output is neither of the input nor of the kernel", letter);
  const std::string summed = filtered(l.kernel, l.input, true), added = filtered(l.kernel, l.input, false);
  if (summed.empty() || added.empty() || l.kernel != summed + added)
    return "the kernel must name the letters that are summed over, at least one, and then those that it adds, at least one";
  return {};
}

}  // namespace

std::string Einsum::fault(const std::string& equation, const Sizes& output_shape, const std::string& bias_axes) {
  const Letters l = split(equation);
  if (l.input.empty()) return fmt::format("equation is \"{}\"; it must be of the form \"abc,cd->abd\" or \"...c,cd->...d\", each letter once a part", equation);
  if (const std::string fault = fault_of_letters(l); !fault.empty()) return fmt::format("equation is \"{}\"; {}", equation, fault);
  const std::size_t named = l.output.size() - (l.elided ? 0 : 1);
  if (output_shape.list().size() != named)
    return fmt::format("output_shape is {}; equation \"{}\" names {} axes of the output besides the batch", schema::Type<Sizes>::text(output_shape), equation, named);
  const std::string added = filtered(l.kernel, l.input, false);
  for (std::size_t i = 0; i < named; ++i)
    if (holds(added, l.output[l.output.size() - named + i]) && output_shape.list()[i] == 0)
      return fmt::format("output_shape is {}; the size of axis {}, which the kernel adds, must be given", schema::Type<Sizes>::text(output_shape),
                         l.output[l.output.size() - named + i]);
  if (bias_axes.empty()) return {};
  const std::string in_output = filtered(l.output, bias_axes, true);
  if (in_output.size() != bias_axes.size() || !are_letters(bias_axes) || in_output != added)
    return fmt::format("bias_axes is \"{}\"; it must name the letters that the kernel adds, \"{}\", which the output must hold in the same order", bias_axes, added);
  return {};
}

Einsum::Einsum(const std::string& equation, const Sizes& output_shape, const std::string& bias_axes, const Shape& image, const std::string& where) {
  Letters l = split(equation);
  const std::size_t axes = image.rank() + 1;
  if (l.elided ? l.input.size() >= axes : l.input.size() != axes)
    throw ShapeError(fmt::format("{} equation \"{}\" is for an input of {}{} axes, the batch axis included; {} came", where, equation,
                                 l.elided ? "more than " : "", l.input.size(), image.to_string()));
  // The axes behind "..." get names that are no letters; without it the batch loses its own.
  std::string dots;
  for (std::size_t i = 0; l.elided && i + 1 < axes - l.input.size(); ++i) dots += static_cast<char>('0' + i);
  const std::string in = l.elided ? dots + l.input : l.input.substr(1), out = l.elided ? dots + l.output : l.output.substr(1);
  const auto size_in = [&](char letter) { return image[static_cast<std::ptrdiff_t>(in.find(letter))]; };
  const auto size_out = [&](char letter) {
    return holds(in, letter) ? size_in(letter) : output_shape.list()[out.find(letter) - dots.size()];
  };
  for (std::size_t i = dots.size(); i < out.size(); ++i) {
    const std::int64_t given = output_shape.list()[i - dots.size()];
    if (given != 0 && size_out(out[i]) != Shape::none && given != size_out(out[i]))
      throw ShapeError(fmt::format("{} output_shape is {}; axis {} of input {} has size {}", where, schema::Type<Sizes>::text(output_shape), out[i],
                                   image.to_string(), size_out(out[i])));
  }
  const auto list = [](const std::vector<std::int64_t>& sizes) { return Shape(std::span<const std::int64_t>(sizes)); };
  const auto sizes_of = [&](const std::string& letters, const auto& size) {
    std::vector<std::int64_t> sizes;
    for (const char letter : letters) sizes.push_back(size(letter));
    return list(sizes);
  };
  const auto places = [&](const std::string& letters, const std::string& among) {
    std::vector<std::int64_t> order;
    for (const char letter : letters) order.push_back(static_cast<std::int64_t>(among.find(letter)));
    return list(order);
  };
  const std::string summed = filtered(l.kernel, in, true), new_letters = filtered(l.kernel, in, false), stay = filtered(in, l.kernel, false);
  kernel = sizes_of(l.kernel, [&](char letter) { return holds(in, letter) ? size_in(letter) : size_out(letter); });
  output = sizes_of(out, size_out);
  input_order = places(stay + summed, in);
  kept = sizes_of(stay, size_in);
  added = sizes_of(new_letters, size_out);
  output_order = places(out, stay + new_letters);
  terms = sizes_of(summed, size_in).elements();
  units = added.elements();
  if (bias_axes.empty()) return;
  const std::size_t first = out.find_first_of(bias_axes);
  bias = sizes_of(out.substr(first), [&](char letter) { return holds(bias_axes, letter) ? size_out(letter) : 1; });
}

}  // namespace linn::detail::layers
