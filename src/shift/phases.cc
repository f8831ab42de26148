#include "shift/phases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/checked.h"
#include "core/worker_pool.h"
#include "linn/layers/reshape.h"
#include "shift/geometry.h"
#include "shift/scores.h"

namespace linn::shift {
namespace {

// What copying a number from map to head takes, in floating-point operations of the kernels: two copies through the L2 cache.
constexpr double flops_of_a_copy = 100;
// Phases must take no more than this share of the work of shifting one by one.
constexpr double worth_it = 0.8;
// Maps of a chunk of images: together, and how many at least, for all threads have work.
constexpr std::int64_t map_bytes = 4 << 20, least_images = 64;

// How many layers from the first on give a map and see no border.
std::size_t trunk_of(const std::vector<NetworkLayer>& layers) {
  const auto end = std::find_if_not(layers.begin(), layers.end(), [](const NetworkLayer& layer) {
    return layer.output.rank() == 3 && (acts_on_cells(layer.on) || (layer.on.kind == OnMap::window && !has_pads(layer.on)));
  });
  return static_cast<std::size_t>(end - layers.begin());
}

std::string why_no_trunk(const NetworkLayer& first) {
  if (has_pads(first.on)) return fmt::format("{} sees the border ({}): its output depends on where the frame ends", first.name, first.on.border);
  return fmt::format("{} ({}), the first layer, is no convolution or pooling", first.name, first.class_name);
}

// Layers [first, last) as a network of their own, with the same weights.
Sequential part_of(const Sequential& model, std::size_t first, std::size_t last, const Shape& input) {
  Sequential part({.name = model.name(), .dtype_policy = model.dtype_policy()});
  part.add(Input(input));
  const std::vector<Layer> layers = model.layers();
  const std::vector<std::string> names = model.layer_names();
  const auto named = model.named_weights();
  std::vector<Tensor> weights;
  for (std::size_t i = first; i < last; ++i) {
    part.add(layers[i]);
    for (const auto& [name, value] : named)
      if (name.starts_with(names[i] + "/")) weights.push_back(value);
  }
  part.set_weights(weights);
  return part;
}

// How many kernels of `part` are, one after the other, those of `whole` from its op `first` on.
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

// Copies the part of maps (n, height, width, channels) that begins at (top, left) and is as large as those of `to`.
void copy_part(const Tensor& maps, std::int64_t top, std::int64_t left, std::int64_t images, Tensor& to) {
  constexpr std::int64_t group = 32;
  const Shape &from = maps.shape(), &part = to.shape();
  const std::int64_t row = from[2] * from[3], image = from[1] * row, part_row = part[2] * part[3], part_image = part[1] * part_row;
  const float* src = maps.values<float>().data() + top * row + left * from[3];
  float* dst = to.values<float>().data();
  core::worker_pool().run(core::ceil_div(images, group), [&](std::int64_t item, int /*worker*/) {
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

Phases::Phases(const Sequential& model, const Scene& scene, std::int64_t radius, const PredictOptions& options)
    : model_(model), scene_(scene), options_(options) {
  y_.radius = x_.radius = radius;
  const std::vector<NetworkLayer> layers = layers_of(model);
  const std::size_t trunk = trunk_of(layers);
  if (trunk == 0) {
    refuse(why_no_trunk(layers.front()));
    return;
  }
  whole_ = model.operations(scene.dtype(), options);
  // Where two sides of a cut are one kernel, or a border comes late, a cut before may do.
  for (std::size_t cut = trunk; cut > 0; --cut)
    if (cut_at(cut, layers)) return;
}

// The first reason is that of the longest trunk.
bool Phases::refuse(std::string reason) {
  if (reason_.empty()) reason_ = std::move(reason);
  return false;
}

bool Phases::cut_at(std::size_t cut, const std::vector<NetworkLayer>& layers) {
  const NetworkLayer& last = layers[cut - 1];
  const Shape& map = last.output;
  const MapGeometry geometry = geometry_of(model_)[cut - 1];
  const Piece frame = scene_.frame({});
  y_.frame = frame.height, y_.map = map[0], y_.stride = geometry.y.stride;
  x_.frame = frame.width, x_.map = map[1], x_.stride = geometry.x.stride;
  if (!pays(1, 0, 0)) return false;  // not even were the trunk all

  Sequential head = part_of(model_, cut, layers.size(), map);
  std::vector<Operation> of_head = head.operations(DType::f32, {.batch_size = options_.batch_size, .accuracy = options_.accuracy, .local = options_.local});
  of_head.erase(of_head.begin());  // which brings images in
  const std::size_t of_trunk = whole_.size() - std::min(whole_.size(), of_head.size());
  if (count_same(of_head, whole_, of_trunk) < of_head.size() || of_trunk == 0)
    return refuse(fmt::format("one kernel computes {} and what comes after it", last.name));

  const auto middle = whole_.cbegin() + static_cast<std::ptrdiff_t>(of_trunk);
  const auto unknown = std::find_if(whole_.cbegin(), middle, [](const Operation& operation) { return operation.period == 0; });
  if (unknown != middle)
    return refuse(
        fmt::format("the bits that {} gives for {} depend on where in the map they lie", unknown->implementation, unknown->layer));

  const std::int64_t down = period_behind(cut, of_trunk, true), right = period_behind(cut, of_trunk, false);
  y_.step = down / y_.stride, y_.stride = down;
  x_.step = right / x_.stride, x_.stride = right;
  if (!pays(flops_of(whole_.cbegin(), middle), flops_of(middle, whole_.cend()), map.elements())) return false;
  if (!add_trunks(cut, of_trunk)) return false;
  head_ = std::move(head);
  reason_ = fmt::format("{} runs of the trunk up to {} serve all {} shifts of an image, to the same bits", count(), last.name,
                        (2 * y_.radius + 1) * (2 * x_.radius + 1));
  return true;
}

// The least number of pixels, a multiple of the trunk's stride, after which the bits of each of its ops repeat themselves.
std::int64_t Phases::period_behind(std::size_t cut, std::size_t operations, bool down) const {
  const std::vector<MapGeometry> geometry = geometry_of(model_);
  const std::vector<std::string> names = model_.layer_names();
  const auto stride_of = [&](const MapGeometry& map) { return down ? map.y.stride : map.x.stride; };
  const std::int64_t whole = stride_of(geometry[cut - 1]);
  std::int64_t period = whole;
  for (std::size_t i = 0; i < operations; ++i) {
    // Of several layers that could be meant by the name the last, of none the trunk's: strides are multiples of those before.
    std::int64_t stride = whole;
    for (std::size_t layer = 0; layer < cut; ++layer)
      if (ends_with(whole_[i], names[layer])) stride = stride_of(geometry[layer]);
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
      Sequential network = part_of(model_, 0, cut, {height, width, channels});
      const std::vector<Operation> of_trunk = network.operations(scene_.dtype(), options_);
      const std::size_t same = count_same(of_trunk, whole_, 0);
      if (same < operations || of_trunk.size() != operations)
        return refuse(fmt::format("on {} x {} pixels the trunk runs {}, on the frame {}", height, width, kernel_at(of_trunk, same),
                                  kernel_at(whole_, same)));
      trunks.push_back({.height = height, .width = width, .network = std::move(network), .pieces = {}});
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

void Phases::run(std::int64_t phase, std::int64_t first, std::int64_t last, const std::function<void(Step, const Tensor&)>& take) {
  const std::int64_t down = phase / x_.phases(), right = phase % x_.phases(), images = last - first;
  const Piece piece = {down - y_.radius, right - x_.radius, y_.pixels(down), x_.pixels(right)};
  Trunk& trunk = trunk_for(piece.height, piece.width);
  if (!trunk.pieces.defined() || trunk.pieces.shape()[0] < images) trunk.pieces = scene_.buffer(images, piece);
  scene_.view(first, last, piece, trunk.pieces);
  const Tensor maps = trunk.network.predict(trunk.pieces.rows(0, images), options_);
  if (!parts_.defined() || parts_.shape()[0] < images) parts_ = Tensor({images, y_.map, x_.map, maps.shape()[3]});
  for (std::int64_t y = 0; y <= y_.last(down); ++y)
    for (std::int64_t x = 0; x <= x_.last(right); ++x) {
      const Step shift{y_.radius - down - y_.stride * y, x_.radius - right - x_.stride * x};
      copy_part(maps, y * y_.step, x * x_.step, images, parts_);
      const Tensor scores = head_.predict(parts_.rows(0, images), {.batch_size = options_.batch_size, .accuracy = options_.accuracy, .local = options_.local});
      check_finite(scores, first, shift);
      take(shift, scores);
    }
}

}  // namespace linn::shift
