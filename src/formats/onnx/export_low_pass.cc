// Layers that filter or mix a map before they subsample it.
#include <fmt/format.h>

#include <cmath>

#include "formats/onnx/export_parts.h"
#include "formats/onnx/exporters.h"
#include "kernels/ring_filter/ring_filter.h"

namespace linn::detail::formats::onnx {
namespace {

using WholeNumbers = std::vector<std::int64_t>;

void need_closed_map(const ExportedCall& call) {
  if (call.image()[0] == Shape::none || call.image()[1] == Shape::none) throw NoOnnxForm("a map of open size");
}

// [outputs, cells], or with `turned` [cells, outputs].
Tensor ring_matrix(const kernels::RingAxis& axis, bool turned) {
  Tensor matrix(turned ? Shape{axis.size, axis.out()} : Shape{axis.out(), axis.size});
  const auto values = matrix.values<float>();
  for (std::int64_t to = 0; to < axis.out(); ++to)
    for (std::int64_t from = 0; from < axis.size; ++from)
      values[static_cast<std::size_t>(turned ? from * axis.out() + to : to * axis.size + from)] = static_cast<float>(axis.weight(to, from));
  return matrix;
}

// The parts of a value along an axis, one cell each.
std::string cell_of(ExportedCall& call, const std::string& value, std::int64_t axis, std::int64_t cell, const std::string& part) {
  return call.node(
      "Slice",
      {value, call.integers({cell}, part + "_from"), call.integers({cell + 1}, part + "_to"), call.integers({axis}, part + "_axis")}, {},
      part);
}

// The convolution with its batch normalization, by the moving statistics.
std::string normalized_logits(ExportedCall& call, const std::string& padded) {
  Tensor kernel = with_axes(call.weights[0], {3, 2, 0, 1});
  const auto &gamma = call.weights[1], &beta = call.weights[2], &mean = call.weights[3], &variance = call.weights[4];
  Tensor bias(beta.shape());
  const auto taps = kernel.values<float>();
  const std::size_t logits = bias.values<float>().size(), each = taps.size() / logits;
  for (std::size_t i = 0; i < logits; ++i) {
    const double factor = static_cast<double>(gamma.values<float>()[i]) /
                          std::sqrt(static_cast<double>(variance.values<float>()[i]) + call.number("epsilon"));
    for (std::size_t k = 0; k < each; ++k) taps[i * each + k] = static_cast<float>(static_cast<double>(taps[i * each + k]) * factor);
    bias.values<float>()[i] =
        static_cast<float>(static_cast<double>(beta.values<float>()[i]) - static_cast<double>(mean.values<float>()[i]) * factor);
  }
  const Size2 strides = call.size("strides");
  return call.node("Conv", {padded, call.floats(kernel, "kernel"), call.floats(bias, "bias")},
                   {{"strides", WholeNumbers{strides.height, strides.width}}}, "logits");
}

// The means (N, C, 1, 1) of the parts of a map that weight its phases.
std::vector<std::string> region_means(ExportedCall& call, const std::string& map, const Size2& strides, bool quadrants) {
  const std::int64_t height = call.image()[0], width = call.image()[1];
  std::vector<std::string> means;
  for (std::int64_t i = 0; i < strides.height; ++i)
    for (std::int64_t j = 0; j < strides.width; ++j) {
      const std::string part = fmt::format("region{}_{}", i, j);
      const WholeNumbers from = quadrants ? WholeNumbers{i * height / strides.height, j * width / strides.width} : WholeNumbers{i, j};
      const WholeNumbers to =
          quadrants ? WholeNumbers{(i + 1) * height / strides.height, (j + 1) * width / strides.width} : WholeNumbers{height, width};
      const WholeNumbers steps = quadrants ? WholeNumbers{1, 1} : WholeNumbers{strides.height, strides.width};
      const std::string cells = call.node("Slice",
                                          {map, call.integers(from, part + "_from"), call.integers(to, part + "_to"),
                                           call.integers({2, 3}, part + "_axes"), call.integers(steps, part + "_steps")},
                                          {}, part);
      means.push_back(call.node("ReduceMean", {cells}, {{"axes", WholeNumbers{2, 3}}, {"keepdims", std::int64_t{1}}}, part + "_mean"));
    }
  return means;
}

}  // namespace

// One matrix along each axis.
void export_frequency_low_cut(ExportedCall& call) {
  need_closed_map(call);
  const Size2 strides = call.size("strides");
  const bool hamming = call.text("window") == "hamming";
  const std::string rows = call.floats(ring_matrix(kernels::low_frequencies(call.image()[0], strides.height, hamming), false), "rows"),
                    columns = call.floats(ring_matrix(kernels::low_frequencies(call.image()[1], strides.width, hamming), true), "columns");
  call.give_first(call.node("MatMul", {call.node("MatMul", {rows, call.channels_first()}, {}, "along_columns"), columns}));
}

// Softmax of the logits by group; then the map of each tap times its weights, added.
void export_adaptive_blur(ExportedCall& call) {
  need_closed_map(call);
  const std::int64_t k = call.integer("filter_size"), groups = call.integer("groups"), channels = call.image()[2];
  const std::int64_t height = call.results[0].image[0], width = call.results[0].image[1];
  const Size2 strides = call.size("strides");
  const std::string padded =
      bordered(call, call.channels_first(), {Pads1{(k - 1) / 2, k / 2}, Pads1{(k - 1) / 2, k / 2}}, call.text("border"), call.image(), "blur");
  const std::string logits =
      call.node("Reshape", {normalized_logits(call, padded), call.integers({0, groups, k * k, height * width}, "by_group")}, {}, "grouped");
  const std::string filters = call.node("Softmax", {logits}, {{"axis", std::int64_t{2}}}, "filters");
  const std::string shape = call.integers({0, groups, channels / groups, height * width}, "cells_shape");
  std::vector<std::string> terms;
  for (std::int64_t t = 0; t < k * k; ++t) {
    const std::string part = fmt::format("tap{}", t);
    const std::int64_t row = t / k, column = t % k;
    const std::string cells =
        call.node("Slice",
                  {padded, call.integers({row, column}, part + "_from"),
                   call.integers({row + (height - 1) * strides.height + 1, column + (width - 1) * strides.width + 1}, part + "_to"),
                   call.integers({2, 3}, part + "_axes"), call.integers({strides.height, strides.width}, part + "_steps")},
                  {}, part);
    const std::string weight = cell_of(call, filters, 2, t, part + "_weight");
    terms.push_back(call.node("Mul", {call.node("Reshape", {cells, shape}, {}, part + "_cells"), weight}, {}, part + "_term"));
  }
  const std::string sum = call.node("Sum", terms, {}, "sum");
  call.give_first(call.node("Reshape", {sum, call.integers({0, channels, height, width}, "shape")}));
}

void export_phase_mix(ExportedCall& call) {
  need_closed_map(call);
  const Size2 strides = call.size("strides");
  const std::int64_t channels = call.image()[2];
  const bool quadrants = call.text("regions") == "quadrants";
  const std::string map = call.channels_first();
  const std::string padded = quadrants ? map : wrapped(call, map, Pads2(1), call.image(), "ring");
  const WholeNumbers pads = quadrants ? WholeNumbers{1, 1, 1, 1} : WholeNumbers{0, 0, 0, 0};
  const std::string convolved = call.node("Conv", {padded, call.floats(with_axes(call.weights[0], {2, 3, 0, 1}), "kernel")},
                                          {{"pads", pads}, {"group", channels}}, "convolved");
  const std::vector<std::string> means = region_means(call, call.node("Relu", {convolved}, {}, "psi"), strides, quadrants);
  const std::string scale = call.floats(call.weights[1].reshape({1, channels, 1, 1}), "scale");
  const std::string logits = call.node("Mul", {call.node("Concat", means, {{"axis", std::int64_t{2}}}, "means"), scale}, {}, "logits");
  const std::string tau = call.node("Softmax", {logits}, {{"axis", std::int64_t{2}}}, "tau");
  const std::vector<std::string> phases = phases_of(call, 0, strides);
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const std::string part = fmt::format("phase{}", i);
    terms.push_back(call.node("Mul", {phases[i], cell_of(call, tau, 2, static_cast<std::int64_t>(i), part + "_tau")}, {}, part + "_term"));
  }
  call.give_first(call.node("Sum", terms));
}

}  // namespace linn::detail::formats::onnx
