#include "formats/onnx/window.h"

#include <algorithm>

namespace linn::detail::formats::onnx {
namespace {

constexpr std::int64_t most = 1 << 20;  // of a size, a stride or a pad

// So many numbers as `otherwise` has, each from `least` on.
std::vector<std::int64_t> checked_list(const Operation& op, std::string_view name, std::vector<std::int64_t> otherwise, std::int64_t least) {
  const std::size_t count = otherwise.size();
  std::vector<std::int64_t> list = list_of_axes(op, name, std::move(otherwise));
  if (list.size() != count) op.refuse("attribute \"{}\" has {} numbers, which do not fit the axes of the map", name, op.list(name).size());
  for (const std::int64_t value : list)
    if (value < least || value > most) op.refuse("attribute \"{}\" is {}; {} to {} is allowed", name, to_string(list), least, most);
  return list;
}

// The pads of SAME_UPPER and SAME_LOWER, which have the odd one at the end and at the beginning.
void set_same(const Operation& op, WindowAxis& axis, std::int64_t map, bool upper) {
  if (map == Shape::none && axis.stride > 1)
    op.refuse("auto_pad {} with strides needs the size of the map, which the file leaves open", upper ? "SAME_UPPER" : "SAME_LOWER");
  const std::int64_t n = map == Shape::none ? 1 : map, out = (n + axis.stride - 1) / axis.stride;
  const std::int64_t total = std::max<std::int64_t>(0, (out - 1) * axis.stride + axis.extent() - n);
  axis.before = upper ? total / 2 : total - total / 2;
  axis.after = total - axis.before;
}

// Cells that ceil_mode adds, so that the last window fits; a window that would begin behind the map and its first pad is left out.
void set_beyond(const Operation& op, WindowAxis& axis, std::int64_t map) {
  if (map == Shape::none) {
    if (axis.stride > 1)
      op.refuse("ceil_mode needs the size of the map, which the file leaves open; export the model with fixed height and width");
    return;
  }
  const std::int64_t whole = map + axis.before + axis.after - axis.extent();
  if (whole < 0) return;
  std::int64_t out = (whole + axis.stride - 1) / axis.stride + 1;
  if ((out - 1) * axis.stride >= map + axis.before) --out;
  axis.beyond = std::max<std::int64_t>(0, (out - 1) * axis.stride - whole);
}

std::int64_t outputs(const WindowAxis& axis, std::int64_t map) {
  const std::int64_t whole = map + axis.before + axis.after + axis.beyond - axis.extent();
  return whole < 0 ? 0 : whole / axis.stride + 1;
}

// Whether linn's padding "same" puts the same windows on maps of all sizes.
bool is_same(const WindowAxis& axis) {
  return axis.stride == 1 && axis.before == (axis.extent() - 1) / 2 && axis.after == axis.extent() - 1 - axis.before && axis.beyond == 0;
}

}  // namespace

std::vector<std::int64_t> list_of_axes(const Operation& op, std::string_view name, std::vector<std::int64_t> otherwise) {
  const std::int64_t alone = otherwise.empty() ? 1 : otherwise.front();
  std::vector<std::int64_t> list = op.list(name, std::move(otherwise));
  if (!op.has(name) || !op.is_over_steps()) return list;
  if (list.size() == 1) return {alone, list[0]};
  if (list.size() == 2) return {alone, list[0], alone, list[1]};
  return list;
}

OnnxWindow read_window(const Operation& op, const std::vector<std::int64_t>& size, const Shape& map) {
  const auto strides = checked_list(op, "strides", {1, 1}, 1), dilations = checked_list(op, "dilations", {1, 1}, 1),
             pads = checked_list(op, "pads", {0, 0, 0, 0}, 0);
  const std::string_view auto_pad = op.text("auto_pad", "NOTSET");
  const bool ceil_mode = op.integer("ceil_mode", 0) != 0;
  OnnxWindow window;
  window.over_steps = op.is_over_steps();
  window.height = {size[0], strides[0], dilations[0], pads[0], pads[2]};
  window.width = {size[1], strides[1], dilations[1], pads[1], pads[3]};
  if (auto_pad != "NOTSET" && auto_pad != "VALID" && auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER")
    op.refuse("attribute \"auto_pad\" is \"{}\"; NOTSET, VALID, SAME_UPPER and SAME_LOWER are allowed", auto_pad);
  bool none = true, same = true;
  for (const auto& [axis, n] : {std::pair{&window.height, map[0]}, std::pair{&window.width, map[1]}}) {
    if (axis->size < 1 || axis->size > most || axis->extent() > most)
      op.refuse("a window of size {} with dilation {}; 1 to {} cells are allowed", axis->size, axis->dilation, most);
    if (auto_pad == "VALID") axis->before = axis->after = 0;
    if (auto_pad.starts_with("SAME")) set_same(op, *axis, n, auto_pad == "SAME_UPPER");
    if (ceil_mode) set_beyond(op, *axis, n);
    if (n != Shape::none && outputs(*axis, n) < 1)
      op.refuse("a window of {} cells does not fit a map of {} with pads {} and {}", axis->extent(), n, axis->before, axis->after);
    none = none && axis->before == 0 && axis->after == 0 && axis->beyond == 0;
    same = same && is_same(*axis);
  }
  window.form = none ? PadForm::none : same ? PadForm::same : PadForm::explicit_pads;
  if (auto_pad == "SAME_UPPER") window.form = PadForm::same;
  return window;
}

}  // namespace linn::detail::formats::onnx
