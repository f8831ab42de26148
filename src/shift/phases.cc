#include "shift/phases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/checked.h"
#include "core/worker_pool.h"
#include "shift/geometry.h"
#include "shift/scores.h"

namespace linn::shift {
namespace {

// Cost of copying one number from the map to the head, in floating-point operations of the kernels: two copies through the L2 cache.
constexpr double flops_of_a_copy = 100;
// Phases are used when they take at most this share of the work of shifting one by one.
constexpr double worth_it = 0.8;
// Size of the maps of one chunk of images, and the least number of images that gives all threads work.
constexpr std::int64_t map_bytes = 4 << 20, least_images = 64;

// Whether a call can be part of a trunk: it gives a map of a known grid and sees no border.
bool fits_trunk(const NetworkCall& call, const MapGeometry& geometry) {
  return geometry.map && (acts_on_cells(call.on) || (call.on.kind == OnMap::window && !has_pads(call.on)));
}

// The first call that does more than change each number by itself, as Rescaling does; the first call where there is none.
std::size_t first_of_network(const Network& network) {
  const auto found =
      std::find_if(network.calls.begin(), network.calls.end(), [](const NetworkCall& call) { return call.on.kind != OnMap::elementwise; });
  return found == network.calls.end() ? 0 : static_cast<std::size_t>(found - network.calls.begin());
}

// Calls whose only output is the one value that later calls read of all calls up to there, as long as all fit a trunk. Last first.
std::vector<std::size_t> cuts_of(const Network& network, const std::vector<MapGeometry>& geometry) {
  const std::size_t count = network.calls.size(), first = first_of_network(network);
  std::vector<std::size_t> last_reader(count, count);  // of each call; `count`: the network's output
  std::size_t needed_until = 0;                        // the last call that reads the image or a value before the cut
  for (std::size_t i = 0; i < count; ++i)
    for (const Source source : network.calls[i].inputs) {
      if (source.call == Source::image)
        needed_until = i;
      else if (source.call != network.output.call)
        last_reader[source.call] = i;
    }
  std::vector<std::size_t> cuts;
  for (std::size_t i = 0; i < count && fits_trunk(network.calls[i], geometry[i]); ++i) {
    if (i >= first && needed_until <= i && network.calls[i].outputs.size() == 1) cuts.push_back(i);
    needed_until = std::max(needed_until, last_reader[i]);
  }
  std::reverse(cuts.begin(), cuts.end());
  return cuts;
}

std::string why_no_trunk(const NetworkCall& first) {
  if (has_pads(first.on))
    return fmt::format("{} sees the border ({}): its output depends on where the frame ends", first.name, first.on.border);
  if (acts_on_cells(first.on) || first.on.kind == OnMap::window) return "several branches cross every cut of the network";
  return fmt::format("no convolution or pooling comes before {} ({})", first.name, first.class_name);
}

// Length of the common prefix of the kernels of `part` and those of `whole` from its op `first` on.
std::size_t count_same(const std::vector<Operation>& part, const std::vector<Operation>& whole, std::size_t first) {
  std::size_t i = 0;
  const auto same = [](const Operation& a, const Operation& b) { return a.op == b.op && a.implementation == b.implementation; };
  while (i < part.size() && first + i < whole.size() && same(part[i], whole[first + i])) ++i;
  return i;
}

std::string kernel_at(const std::vector<Operation>& operations, std::size_t at) {
  return at < operations.size() ? operations[at].implementation : "nothing more";
}

double flops_of(std::vector<Operation>::const_iterator first, std::vector<Operation>::const_iterator last) {
  return std::accumulate(first, last, 0.0, [](double sum, const Operation& operation) { return sum + operation.flops; });
}

// Whether the op computes this layer, alone or as the last of several.
bool ends_with(const Operation& operation, const std::string& layer) {
  return operation.layer == layer || operation.layer.ends_with(" + " + layer);
}

// Copies from maps (n, height, width, channels) the part at (top, left) of the size of `to`.
void copy_part(const Tensor& maps, std::int64_t top, std::int64_t left, std::int64_t images, Tensor& to) {
  constexpr std::int64_t group = 32;
  const Shape &from = maps.shape(), &part = to.shape();
  const std::int64_t row = from[2] * from[3], image = from[1] * row, part_row = part[2] * part[3], part_image = part[1] * part_row;
  const float* src = maps.values<float>().data() + top * row + left * from[3];
  float* dst = to.values<float>().data();
  detail::core::worker_pool().run(detail::core::ceil_div(images, group), [&](std::int64_t item, int /*worker*/) {
    for (std::int64_t i = item * group; i < std::min(images, (item + 1) * group); ++i)
      for (std::int64_t y = 0; y < part[1]; ++y)
        std::memcpy(dst + i * part_image + y * part_row, src + i * image + y * row, static_cast<std::size_t>(part_row) * sizeof(float));
  });
}

}  // namespace

std::int64_t Phases::Axis::phases() const { return std::min(stride, 2 * radius + 1); }

std::int64_t Phases::Axis::all_pixels() const {
  std::int64_t all = 0;
  for (std::int64_t phase = 0; phase < phases(); ++phase) all += pixels(phase);
  return all;
}

Phases::Phases(const Model& model, const ShiftedInput& shifted_input, std::int64_t radius, const PredictOptions& options)
    : model_(model), shifted_input_(shifted_input), options_(options) {
  y_.radius = x_.radius = radius;
  network_ = network_of(model);
  geometry_ = geometry_of(network_);
  const std::vector<std::size_t> cuts = cuts_of(network_, geometry_);
  if (cuts.empty()) {
    refuse(why_no_trunk(network_.calls[first_of_network(network_)]));
    return;
  }
  whole_ = model.operations(shifted_input.dtype(), options);
  // Try the longest trunk first. A cut inside a fused kernel or behind a border fails; a shorter trunk may work.
  for (const std::size_t cut : cuts)
    if (cut_at(cut)) return;
}

// Keeps the first reason: that of the longest trunk.
bool Phases::refuse(std::string reason) {
  if (reason_.empty()) reason_ = std::move(reason);
  return false;
}

bool Phases::cut_at(std::size_t cut) {
  const NetworkCall& last = network_.calls[cut];
  const Shape& map = last.output();
  const MapGeometry& geometry = geometry_[cut];
  const Region frame = shifted_input_.frame({});
  y_ = {.radius = y_.radius, .frame = frame.height, .map = map[0], .stride = geometry.y.stride};
  x_ = {.radius = x_.radius, .frame = frame.width, .map = map[1], .stride = geometry.x.stride};
  if (!pays(1, 0, 0)) return false;  // not even if the trunk were the whole network

  Model head(last.outputs.front(), model_.output(), {.name = model_.name(), .dtype_policy = model_.dtype_policy()});
  std::vector<Operation> of_head =
      head.operations(DType::f32, {.batch_size = options_.batch_size, .accuracy = options_.accuracy, .local = options_.local});
  of_head.erase(of_head.begin());  // it loads the images, which the head does not do
  const std::size_t of_trunk = whole_.size() - std::min(whole_.size(), of_head.size());
  if (count_same(of_head, whole_, of_trunk) < of_head.size() || of_trunk == 0)
    return refuse(fmt::format("one kernel computes {} together with the next layer", last.name));

  const auto middle = whole_.cbegin() + static_cast<std::ptrdiff_t>(of_trunk);
  const auto unknown = std::find_if(whole_.cbegin(), middle, [](const Operation& operation) { return operation.period == 0; });
  if (unknown != middle)
    return refuse(fmt::format("the bits of {} for {} depend on the place in the map", unknown->implementation, unknown->layer));

  const std::int64_t down = period_behind(cut, of_trunk, true), right = period_behind(cut, of_trunk, false);
  y_.step = down / y_.stride;
  y_.stride = down;
  x_.step = right / x_.stride;
  x_.stride = right;
  if (!pays(flops_of(whole_.cbegin(), middle), flops_of(middle, whole_.cend()), map.elements())) return false;
  if (!add_trunks(cut, of_trunk)) return false;
  head_.emplace(std::move(head));
  reason_ = fmt::format("{} runs of the trunk up to {} serve all {} shifts of an image, with the same bits", count(), last.name,
                        (2 * y_.radius + 1) * (2 * x_.radius + 1));
  return true;
}

// The smallest shift in pixels that is a multiple of the trunk's stride and after which each of its ops gives the same bits: the least
// common multiple over the ops of (stride of its map * period in cells).
std::int64_t Phases::period_behind(std::size_t cut, std::size_t operations, bool down) const {
  const auto stride_of = [&](const MapGeometry& map) { return down ? map.y.stride : map.x.stride; };
  const std::int64_t whole = stride_of(geometry_[cut]);
  std::int64_t period = whole;
  for (std::size_t i = 0; i < operations; ++i) {
    // A fused op carries several names; the last one's map counts. An unknown name counts with the stride of the whole trunk, a multiple of
    // all.
    std::int64_t stride = whole;
    for (std::size_t call = 0; call <= cut; ++call)
      if (ends_with(whole_[i], network_.calls[call].name)) stride = stride_of(geometry_[call]);
    period = std::lcm(period, stride * whole_[i].period);
  }
  return period;
}

bool Phases::pays(double trunk_flops, double head_flops, std::int64_t cells) {
  const std::int64_t side = 2 * y_.radius + 1;
  const double share = static_cast<double>(y_.all_pixels() * x_.all_pixels()) / static_cast<double>(side * y_.frame * side * x_.frame);
  const double now = trunk_flops + head_flops, then = share * trunk_flops + head_flops + flops_of_a_copy * static_cast<double>(cells);
  if (then <= worth_it * now) return true;
  return refuse(fmt::format("with a stride of {} x {}, phases within {} pixels would take {:.0f} % of the work", y_.stride, x_.stride,
                            y_.radius, 100 * then / now));
}

bool Phases::add_trunks(std::size_t cut, std::size_t operations) {
  const std::int64_t channels = model_.input_shape()[2];
  std::vector<Trunk> trunks;
  for (const std::int64_t down : {std::int64_t{0}, y_.phases() - 1})
    for (const std::int64_t right : {std::int64_t{0}, x_.phases() - 1}) {
      const std::int64_t height = y_.pixels(down), width = x_.pixels(right);
      const auto has_size = [&](const Trunk& trunk) { return trunk.height == height && trunk.width == width; };
      if (std::any_of(trunks.begin(), trunks.end(), has_size)) continue;
      Model network = Model(model_.input(), network_.calls[cut].outputs.front()).with_input_shape({height, width, channels});
      network.set_dtype_policy(model_.dtype_policy());
      const std::vector<Operation> of_trunk = network.operations(shifted_input_.dtype(), options_);
      const std::size_t same = count_same(of_trunk, whole_, 0);
      if (same < operations || of_trunk.size() != operations)
        return refuse(fmt::format("on {} x {} pixels the trunk runs {}, on the frame {}", height, width, kernel_at(of_trunk, same),
                                  kernel_at(whole_, same)));
      trunks.push_back({.height = height, .width = width, .network = std::move(network), .regions = {}});
    }
  const auto largest = std::max_element(trunks.begin(), trunks.end(), [](const Trunk& a, const Trunk& b) {
    return a.network.output_shape().elements() < b.network.output_shape().elements();
  });
  const auto bytes = largest->network.output_shape().elements() * static_cast<std::int64_t>(sizeof(float));
  chunk_ = std::max(map_bytes / bytes, least_images);
  if (chunk_ > options_.batch_size) chunk_ -= chunk_ % options_.batch_size;
  trunks_ = std::move(trunks);
  return true;
}

Phases::Trunk& Phases::trunk_for(std::int64_t height, std::int64_t width) {
  return *std::find_if(trunks_.begin(), trunks_.end(), [&](const Trunk& trunk) { return trunk.height == height && trunk.width == width; });
}

void Phases::run(std::int64_t phase, std::int64_t first, std::int64_t last, const std::function<void(Shift, const Tensor&)>& take) {
  const std::int64_t down = phase / x_.phases(), right = phase % x_.phases(), images = last - first;
  const Region region = {down - y_.radius, right - x_.radius, y_.pixels(down), x_.pixels(right)};
  Trunk& trunk = trunk_for(region.height, region.width);
  if (!trunk.regions.defined() || trunk.regions.shape()[0] < images) trunk.regions = shifted_input_.buffer(images, region);
  shifted_input_.view(first, last, region, trunk.regions);
  const Tensor maps = trunk.network.predict(trunk.regions.rows(0, images), options_);
  if (!parts_.defined() || parts_.shape()[0] < images) parts_ = Tensor({images, y_.map, x_.map, maps.shape()[3]});
  for (std::int64_t y = 0; y <= y_.last(down); ++y)
    for (std::int64_t x = 0; x <= x_.last(right); ++x) {
      const Shift shift{y_.radius - down - y_.stride * y, x_.radius - right - x_.stride * x};
      copy_part(maps, y * y_.step, x * x_.step, images, parts_);
      const Tensor scores = head_->predict(parts_.rows(0, images),
                                           {.batch_size = options_.batch_size, .accuracy = options_.accuracy, .local = options_.local});
      check_finite(scores, first, shift);
      take(shift, scores);
    }
}

}  // namespace linn::shift
