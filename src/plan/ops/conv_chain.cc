// Loop nest:  small maps: for each few images whose maps fit half of the L2 cache
//               each convolution of these images after the other
//             others: for each image, for each few rows of the last map
//               from the last convolution to the first: which rows of its input it reads, and which of them its input's buffer lacks
//               from the first to the last: these rows, behind those that the buffer keeps for the windows that overlap
// Each row of a map is computed once, so no arithmetic is added. The maps between the convolutions are never stored as a whole. Workers
// that share an image take parts of the last map's rows; the rows of windows that overlap two parts are computed in both.
// Measured:   see docs/engine.md.
#include "plan/ops/conv_chain.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <vector>

#include "core/cpu.h"
#include "kernels/conv/cost.h"
#include "plan/ops/conv_op.h"

namespace linn::detail::plan {
namespace {

using kernels::Geometry;
using kernels::conv::map_row;
using kernels::conv::Rows;

constexpr std::size_t most_members = 8;
constexpr std::int64_t line = 16;  // floats of a cache line

// Rows of a map that a call can begin at.
std::int64_t step_of(const ConvOp& member) { return member.row_step() == 0 ? member.geometry().out_height : member.row_step(); }

// How a chain is cut, and the memory of the maps between its members.
struct Cuts {
  std::int64_t images = 0;                        // whole images at a time; 0: strips of one image
  std::int64_t rows = 0;                          // of the last map in a strip
  std::array<std::int64_t, most_members> held{};  // most rows of each map but the last that are in its buffer
  std::int64_t elements = 0;                      // of all buffers, for one image
};

// The last member computes `rows` rows at a time; if these are all, the buffers hold whole maps. Every other member begins at a multiple
// of its step, so its buffer may hold step - 1 rows more at each end than the next member reads.
Cuts cuts_of(const std::vector<ConvOp>& members, std::int64_t rows) {
  Cuts cuts{.rows = rows};
  std::int64_t computed = rows;
  for (std::size_t k = members.size() - 1; k-- > 0;) {
    const Geometry& next = members[k + 1].geometry();
    const std::int64_t windows = core::round_up(computed, step_of(members[k + 1]));
    const std::int64_t read = (windows - 1) * next.stride_height + (next.window_height - 1) * next.dilation_height + 1;
    const std::int64_t height = members[k].geometry().out_height;
    computed = rows == members.back().geometry().out_height ? height : std::min(read + 2 * (step_of(members[k]) - 1), height);
    cuts.held[k] = computed;
    cuts.elements += core::round_up(computed * map_row(members[k].geometry()), line);
  }
  return cuts;
}

// Elements of all buffers together: half of the L2 cache. With a quarter MobileNetV2's blocks at 56x56 and 112x112 pixels take up to a
// tenth longer (Zen 5).
std::int64_t fitting_elements() { return 2 * kernels::conv::strip_elements(); }

// The highest strips whose buffers fit, all about as high.
Cuts choose_cuts(const std::vector<ConvOp>& members, Strips strips) {
  const std::int64_t height = members.back().geometry().out_height, step = step_of(members.back());
  if (strips == Strips::lowest) return cuts_of(members, std::min(step, height));
  const std::int64_t fit = fitting_elements();
  Cuts whole = cuts_of(members, height);
  whole.images = fit / std::max<std::int64_t>(whole.elements, 1);
  if (whole.images >= 1) return whole;
  std::int64_t unit = step;
  for (const ConvOp& member : members) unit = std::max(unit, core::round_up(step_of(member), step));
  std::int64_t rows = std::min(unit, height);
  while (rows + unit < height && cuts_of(members, rows + unit).elements <= fit) rows += unit;
  const std::int64_t count = core::ceil_div(height, rows);
  return cuts_of(members, std::min(core::round_up(core::ceil_div(height, count), step), height));
}

// One image of one call: the rows that the buffers hold, and the memory of everything.
template <class T>
class ImageRun {
 public:
  ImageRun(const std::vector<ConvOp>& members, const std::array<ConvImage<T>, most_members>& image, const Cuts& cuts, T* buffers)
      : members_(members), image_(image) {
    for (std::size_t k = 0; k + 1 < members.size(); ++k) {
      buffers_[k] = buffers;
      buffers += core::round_up(cuts.held[k] * map_row(members[k].geometry()), line);
    }
  }

  // Computes rows of a member's map, and first the rows that it reads.
  void compute(std::size_t k, const Rows& rows, T* dst) {
    ConvImage<T> image = image_[k];
    if (k > 0) {
      const Geometry& g = members_[k].geometry();
      // With tiles, a kernel reads the rows of whole tiles.
      hold(k - 1, kernels::conv::rows_in_windows(g, rows.begin, core::round_up(rows.end, step_of(members_[k]))));
      // The kernel counts rows from the top of the map, and reads those that the buffer holds.
      image.src = buffers_[k - 1] - held_[k - 1].begin * g.src_row;
    }
    members_[k].template compute_rows<T>(1, image, rows, dst);
  }

 private:
  void hold(std::size_t k, const Rows& read) {
    const Geometry& g = members_[k].geometry();
    kernels::conv::hold_rows(read, g.out_height, map_row(g), step_of(members_[k]), buffers_[k], held_[k],
                             [&](const Rows& rows, T* dst) { compute(k, rows, dst); });
  }

  const std::vector<ConvOp>& members_;
  const std::array<ConvImage<T>, most_members>& image_;
  std::array<T*, most_members> buffers_{};
  std::array<Rows, most_members> held_{};
};

// inputs: the chain's input, then kernel, bias, residual and packed kernel of each member; outputs {the last map}.
class ConvChainOp final : public RealOp<ConvChainOp> {
 public:
  ConvChainOp(std::vector<ConvOp> members, Strips strips) : members_(std::move(members)), strips_(strips) {
    inputs = {members_.front().inputs[ConvInputs::src]};
    for (const ConvOp& member : members_)
      for (const auto slot : {ConvInputs::kernel, ConvInputs::bias, ConvInputs::residual, ConvInputs::packed})
        inputs.push_back(member.inputs[slot]);
    fit_maps();
  }

  const std::vector<ConvOp>& members() const { return members_; }

  std::string_view name() const override { return conv_chain_name; }
  std::string implementation() const override {
    std::string text;
    for (const ConvOp& member : members_) text += (text.empty() ? "" : " > ") + member.implementation();
    return text;
  }
  double flops(std::int64_t images) const override {
    return std::accumulate(members_.begin(), members_.end(), 0.0,
                           [=](double sum, const ConvOp& member) { return sum + member.flops(images); });
  }
  /// A map inside moves by the strides behind it for each cell of the last map.
  std::int64_t period() const override {
    std::int64_t period = 1, down = 1, right = 1;
    for (std::size_t k = members_.size(); k-- > 0;) {
      const std::int64_t inner = members_[k].period();
      if (inner == 0) return 0;
      for (const std::int64_t stride : {down, right}) period = std::lcm(period, std::lcm(inner, stride) / stride);
      down *= members_[k].geometry().stride_height, right *= members_[k].geometry().stride_width;
    }
    return period;
  }

  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? members_.front().input_pitches(ConvInputs::src) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t slot) override { return members_.back().output_pitches(slot); }
  std::optional<kernels::Part> reads() const override { return members_.front().reads(); }
  void narrow_input(const kernels::Part& part) override { members_.front().narrow_input(part); }
  bool narrow_output(const kernels::Part& part) override {
    if (!narrow(members_.back(), part)) return false;
    fit_maps();
    return true;
  }

  void differentiate(Gradients&) override {}  // inference only

  void prepare(const kernels::Policy& policy) override {
    for (ConvOp& member : members_) member.prepare(policy);
    cuts_ = choose_cuts(members_, strips_);
  }
  std::int64_t scratch(std::int64_t images) const override {
    const std::int64_t together = std::clamp<std::int64_t>(cuts_.images, 1, images);
    std::int64_t most = 0;
    for (const ConvOp& member : members_) most = std::max(most, member.scratch(together));
    return together * cuts_.elements + most;
  }
  std::vector<Packing> packings() const override {
    std::vector<Packing> all;
    for (std::size_t k = 0; k < members_.size(); ++k)
      if (const std::int64_t elements = members_[k].packed(); elements > 0)
        all.push_back({inputs[slot(k, ConvInputs::kernel)], slot(k, ConvInputs::packed), elements});
    return all;
  }
  void pack_one(std::size_t packing, const float* kernel, float* packed) const override {
    for (const ConvOp& member : members_)
      if (member.packed() > 0 && packing-- == 0) return member.pack(kernel, packed);
  }
  std::int64_t most_parts() const override { return members_.back().parts_of_rows(); }

  template <class T>
  void compute(const Call& call) const {
    if (call.parts == 1 && cuts_.images > 1) return compute_images<T>(call);
    const Geometry &from = members_.front().geometry(), &to = members_.back().geometry();
    const Share rows = share_of(call, to.out_height, step_of(members_.back()));
    T* buffers = static_cast<T*>(call.scratch);
    for (std::int64_t n = 0; n < call.images; ++n) {
      std::array<ConvImage<T>, most_members> image;
      for (std::size_t k = 0; k < members_.size(); ++k) image[k] = image_of(call, k, n, buffers + cuts_.elements);
      image[0].src = call.in<T>(0) + n * from.src_image;
      ImageRun<T> run(members_, image, cuts_, buffers);
      for (std::int64_t first = rows.begin; first < rows.end; first += cuts_.rows)
        run.compute(members_.size() - 1, {first, std::min(first + cuts_.rows, rows.end)},
                    call.out<T>(0) + n * to.dst_image + first * to.dst_row);
    }
  }

 private:
  static std::size_t slot(std::size_t member, ConvInputs::Slot input) { return 4 * member + input; }

  static bool narrow(ConvOp& member, const kernels::Part& part) {
    if (!member.narrow_output(part)) return false;
    member.outputs[0].shape = {part.height, part.width, member.geometry().out_channels};
    return true;
  }
  // Trims each map inside to the windows that read it, as the trim pass does with maps between ops.
  void fit_maps() {
    for (std::size_t k = members_.size() - 1; k > 0; --k) {
      const kernels::Part part = *members_[k].reads();
      const Geometry& map = members_[k - 1].geometry();
      if (part == kernels::Part{map.out_height, map.out_width} || !narrow(members_[k - 1], part)) continue;
      members_[k].narrow_input(part);
    }
  }

  template <class T>
  ConvImage<T> image_of(const Call& call, std::size_t k, std::int64_t n, T* scratch) const {
    const T* residual = call.in<T>(slot(k, ConvInputs::residual));
    return {.kernel = call.in<T>(slot(k, ConvInputs::kernel)),
            .packed = call.in<T>(slot(k, ConvInputs::packed)),
            .bias = call.in<T>(slot(k, ConvInputs::bias)),
            .residual = residual == nullptr ? nullptr : residual + n * members_[k].geometry().dst_image,
            .scratch = scratch};
  }

  // Whole maps of a few images at a time, so that weights are read once for all of them.
  template <class T>
  void compute_images(const Call& call) const {
    const std::int64_t together = std::min(cuts_.images, call.images);
    T* buffers = static_cast<T*>(call.scratch);
    for (std::int64_t first = 0; first < call.images; first += together) {
      const T* src = call.in<T>(0) + first * members_.front().geometry().src_image;
      T* buffer = buffers;
      for (std::size_t k = 0; k < members_.size(); ++k) {
        const bool last = k + 1 == members_.size();
        ConvImage<T> image = image_of(call, k, first, buffers + together * cuts_.elements);
        image.src = src;
        T* dst = last ? call.out<T>(0) + first * members_[k].geometry().dst_image : buffer;
        members_[k].template compute_rows<T>(std::min(together, call.images - first), image, {0, members_[k].geometry().out_height}, dst);
        src = dst;
        if (!last) buffer += together * core::round_up(cuts_.held[k] * map_row(members_[k].geometry()), line);
      }
    }
  }

  std::vector<ConvOp> members_;
  Strips strips_;
  Cuts cuts_;
};

// ---- whether a chain is cheaper ---------------------------------------------------------------------------------------------------------

std::vector<ConvOp> members_of(const Op& op) {
  if (const auto* chain = dynamic_cast<const ConvChainOp*>(&op)) return chain->members();
  const auto* conv = dynamic_cast<const ConvOp*>(&op);
  return conv == nullptr ? std::vector<ConvOp>{} : std::vector<ConvOp>{*conv};
}

std::vector<ConvOp> members_of_both(const Op& producer, const Op& consumer) {
  std::vector<ConvOp> all = members_of(producer);
  const std::vector<ConvOp> more = members_of(consumer);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

constexpr double images_of_shard = 8;  // images for which a convolution alone reads its weights once

// Cost of a call of a kernel beside its products: the last tile of rows, which is not full, and the sums over runs of rows and columns. A
// convolution of one row of 56 or 112 pixels takes about 1000 cycles longer than its share of the whole map (Zen 5).
double cost_of_call() { return 1000 * 2 * static_cast<double>(core::lanes()); }

// Winograd's forms transform 26 tiles or more at a time. Strips have other numbers of tiles: a convolution of 64 to 64 channels on 56x56
// takes 5 to 14 % longer in strips of 4 to 16 rows (Zen 5).
constexpr double loss_of_tiles = 0.2;

// Cost of writing and reading a map between two convolutions apart. A map of which two fit the L2 cache stays there: chains of smaller maps
// (14x14x384, 300 KB) are no faster (Zen 5, 1 MB; one image and eight).
double cost_of_map(const Geometry& g) {
  const std::int64_t map = kernels::conv::map_size(g);
  const bool stays = 2 * map * static_cast<std::int64_t>(sizeof(float)) <= core::cpu().l2_bytes;
  return stays ? kernels::conv::cached_map_cost(g) : 2 * static_cast<double>(map) * kernels::conv::traffic_of_float(map);
}

// Cost for one image, without what chains and single convolutions share: the products.
double cost_of(std::vector<ConvOp> members, const kernels::Policy& policy) {
  for (ConvOp& member : members) member.prepare(policy);
  if (members.size() == 1) return kernels::conv::weights_cost(members[0].geometry(), members[0].chosen(), 1 / images_of_shard);
  const Cuts cuts = choose_cuts(members, Strips::of_cache);
  if (cuts.elements > fitting_elements()) return std::numeric_limits<double>::infinity();
  const double strips = cuts.images >= 1 ? 1.0 / static_cast<double>(cuts.images)
                                         : static_cast<double>(core::ceil_div(members.back().geometry().out_height, cuts.rows));
  double cost = 0;
  for (std::size_t k = 0; k < members.size(); ++k) {
    const Geometry& g = members[k].geometry();
    const kernels::Implementation<kernels::ConvForward>& chosen = members[k].chosen();
    cost += kernels::conv::weights_cost(g, chosen, std::max(strips, 1 / images_of_shard)) + strips * cost_of_call();
    if (cuts.images == 0 && chosen.row_step > 1) cost += loss_of_tiles * chosen.cost;
    if (k + 1 == members.size()) continue;
    const Geometry& next = members[k + 1].geometry();
    const auto moved =
        static_cast<double>(std::max<std::int64_t>((next.window_height - 1) * next.dilation_height + 1 - next.stride_height, 0));
    cost += kernels::conv::cached_map_cost(g);
    if (cuts.images == 0) cost += 2 * strips * moved * static_cast<double>(map_row(g)) * kernels::conv::traffic_of_float(0);
  }
  return cost;
}

}  // namespace

bool is_in_chains(const Op& op) { return dynamic_cast<const ConvOp*>(&op) != nullptr || dynamic_cast<const ConvChainOp*>(&op) != nullptr; }

bool can_become_chain(const Op& producer, const Op& consumer) {
  const std::vector<ConvOp> first = members_of(producer), second = members_of(consumer);
  const Geometry &map = first.back().geometry(), &read = second.front().geometry();
  return first.size() + second.size() <= most_members && map.out_height == read.height && map.out_width == read.width &&
         map.out_channels == read.channels;
}

double chain_gain(const Op& producer, const Op& consumer, const kernels::Policy& policy) {
  const std::vector<ConvOp> first = members_of(producer), second = members_of(consumer);
  return cost_of(first, policy) + cost_of(second, policy) + cost_of_map(first.back().geometry()) -
         cost_of(members_of_both(producer, consumer), policy);
}

std::vector<const Op*> links_of(const Op& op) {
  const auto* chain = dynamic_cast<const ConvChainOp*>(&op);
  if (chain == nullptr) return {&op};
  std::vector<const Op*> links;
  for (const ConvOp& member : chain->members()) links.push_back(&member);
  return links;
}

std::unique_ptr<Op> conv_chain(const Op& producer, const Op& consumer, Strips strips) {
  return std::make_unique<ConvChainOp>(members_of_both(producer, consumer), strips);
}

}  // namespace linn::detail::plan
