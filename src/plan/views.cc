#include "plan/views.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace linn::detail::plan {
namespace {

// One read or write of a value by an op.
struct Touch {
  Op* op;
  std::size_t slot;
  bool writes;
};

class Views {
 public:
  explicit Views(Lowering& lowering) : to_(lowering), touches_(lowering.values().size()), is_whole_(touches_.size(), false), pitches_(touches_.size()) {
    for (const auto& op : to_.ops()) {
      for (std::size_t i = 0; i < op->inputs.size(); ++i) add(op->inputs[i], {op.get(), i, false});
      for (std::size_t i = 0; i < op->outputs.size(); ++i) add(op->outputs[i], {op.get(), i, true});
    }
  }

  // Makes a section's part a view of its whole if that is possible.
  void make(Op& op, std::size_t number) {
    const Section section = op.sections()[number];
    if (!may_share(section)) return;
    const kernels::Pitches pitches = pitches_of(section.whole);
    const std::vector<Touch> others = other_touches(op, number, section.part);
    if (!all_take(others, section.part, pitches)) return;
    for (const Touch& touch : others) kernels::set(fields(touch), pitches);
    ValueInfo& part = to_.info(section.part);
    part.whole = section.whole.id;
    part.offset = section.y * pitches.row + section.x * pitches.pixel + section.channel;
    pitches_[static_cast<std::size_t>(section.part.id)] = pitches;
    is_whole_[static_cast<std::size_t>(section.whole.id)] = true;
    op.leave_out(number);
  }

 private:
  void add(const Value& value, const Touch& touch) {
    if (value.defined()) touches_[static_cast<std::size_t>(value.id)].push_back(touch);
  }
  static kernels::PitchFields fields(const Touch& touch) { return touch.writes ? touch.op->output_pitches(touch.slot) : touch.op->input_pitches(touch.slot); }
  static const Value& seen(const Touch& touch) { return touch.writes ? touch.op->outputs[touch.slot] : touch.op->inputs[touch.slot]; }

  // The pitches of a value: those of its whole if it is a view, else dense.
  kernels::Pitches pitches_of(const Value& value) const {
    if (const auto& found = pitches_[static_cast<std::size_t>(value.id)]) return *found;
    const MapSize size = map_size(to_.info(value).shape);
    return kernels::dense_pitches(size.height, size.width, size.channels);
  }

  bool may_share(const Section& section) const {
    const ValueInfo &part = to_.info(section.part), &whole = to_.info(section.whole);
    const auto shareable = [](const ValueInfo& value) { return value.home == Home::arena && value.extent == Extent::batch && value.shape.rank() <= 3; };
    if (!shareable(part) || !shareable(whole) || part.element != whole.element || part.kept) return false;
    if (section.part.id == section.whole.id || part.whole >= 0 || is_whole_[static_cast<std::size_t>(section.part.id)]) return false;
    return section.part.shape == part.shape && section.whole.shape == whole.shape;
  }

  // All reads and writes of the part except that of this section. The same op may read the part in another slot too, as in
  // Concatenate()({x, x}); that slot is copied.
  std::vector<Touch> other_touches(const Op& op, std::size_t number, const Value& part) const {
    std::vector<Touch> others;
    for (const Touch& touch : touches_[static_cast<std::size_t>(part.id)])
      if (touch.op != &op || touch.slot != (touch.writes ? 0 : number)) others.push_back(touch);
    return others;
  }

  // Whether all these kernels take the pitches. Not possible for an op that reads the part with another shape, since its rows are others.
  static bool all_take(const std::vector<Touch>& touches, const Value& part, const kernels::Pitches& pitches) {
    const MapSize size = map_size(part.shape);
    return std::all_of(touches.begin(), touches.end(), [&](const Touch& touch) {
      return seen(touch).shape == part.shape && kernels::can_set(fields(touch), pitches, size.height, size.width, size.channels);
    });
  }

  Lowering& to_;
  std::vector<std::vector<Touch>> touches_;
  std::vector<bool> is_whole_;
  std::vector<std::optional<kernels::Pitches>> pitches_;  // of views
};

bool is_gathered(const Op& op, const Section& section) {
  return std::any_of(op.outputs.begin(), op.outputs.end(), [&](const Value& value) { return value.id == section.whole.id; });
}

}  // namespace

void make_views(Lowering& lowering) {
  Views views(lowering);
  auto& ops = lowering.ops();
  // The pitches of a whole that is itself a part must be set before those of its parts. So concatenations come first, from the last op to
  // the first, then crops and slices in the order of ops.
  for (const bool gathered : {true, false})
    for (std::size_t k = 0; k < ops.size(); ++k) {
      Op& op = *ops[gathered ? ops.size() - 1 - k : k];
      const std::vector<Section> sections = op.sections();
      for (std::size_t i = 0; i < sections.size(); ++i)
        if (is_gathered(op, sections[i]) == gathered) views.make(op, i);
    }
}

}  // namespace linn::detail::plan
