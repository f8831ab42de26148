#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/tensor_visit.h"
#include "core/text_cells.h"
#include "linn/error.h"
#include "linn/metrics.h"

namespace linn::metrics {
namespace {

std::vector<double> numbers_of(const Tensor& tensor) {
  const Tensor wide = tensor.astype(DType::f64);
  const auto values = wide.values<double>();
  return {values.begin(), values.end()};
}

std::int64_t samples_of(const Tensor& tensor, const char* what) {
  if (!tensor.defined() || tensor.shape().empty()) throw DataError(fmt::format("confusion_matrix: {} are empty", what));
  return tensor.shape()[0];
}

bool is_list(const Tensor& tensor) { return tensor.elements() == tensor.shape()[0]; }

// Whole numbers of n samples; of scores the place of the largest.
std::vector<std::int64_t> classes_of(const Tensor& tensor, const char* what, bool may_be_scores) {
  const std::int64_t n = samples_of(tensor, what);
  const std::vector<double> numbers = numbers_of(tensor);
  std::vector<std::int64_t> classes;
  if (is_list(tensor)) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (!(numbers[i] >= 0) || numbers[i] != std::floor(numbers[i]) || std::isinf(numbers[i]))
        throw DataError(fmt::format("confusion_matrix: {} hold {} for sample {}; classes are whole numbers from 0", what, numbers[i], i));
      classes.push_back(static_cast<std::int64_t>(numbers[i]));
    }
    return classes;
  }
  if (!may_be_scores || tensor.shape().rank() != 2)
    throw ShapeError(fmt::format("confusion_matrix: {} have shape {}; ({},){} is allowed", what, tensor.shape().to_string(), n,
                                 may_be_scores ? fmt::format(" or ({}, classes)", n) : ""));
  const auto width = static_cast<std::size_t>(tensor.shape()[1]);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
    classes.push_back(first_largest(std::span(numbers).subspan(i * width, width)));
  return classes;
}

std::size_t cells_of(const std::string& text) { return static_cast<std::size_t>(detail::core::cells_of(std::string_view(text))); }

double over(std::int64_t part, std::int64_t whole) { return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole); }

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::int64_t classes) : classes_(classes) {
  if (classes < 1) throw ValueError(fmt::format("ConfusionMatrix: classes is {}; it must be 1 or more", classes));
  counts_.assign(static_cast<std::size_t>(classes * classes), 0);
}

void ConfusionMatrix::update(const Tensor& labels, const Tensor& predictions) {
  const std::vector<std::int64_t> truth = classes_of(labels, "labels", false), said = classes_of(predictions, "predictions", true);
  if (truth.size() != said.size())
    throw ShapeError(fmt::format("confusion_matrix: {} labels came with {} predictions", truth.size(), said.size()));
  if (!is_list(predictions) && predictions.shape()[1] != classes_)
    throw ShapeError(
        fmt::format("confusion_matrix: predictions have {} scores each; the matrix has {} classes", predictions.shape()[1], classes_));
  for (const auto& [what, numbers] : {std::pair("label", &truth), std::pair("prediction", &said)})
    for (std::size_t i = 0; i < numbers->size(); ++i)
      if ((*numbers)[i] >= classes_)
        throw DataError(fmt::format("confusion_matrix: {} {} of sample {}; the matrix has {} classes, 0 to {}", what, (*numbers)[i], i,
                                    classes_, classes_ - 1));
  for (std::size_t i = 0; i < truth.size(); ++i) ++counts_[static_cast<std::size_t>(truth[i] * classes_ + said[i])];
}

std::int64_t ConfusionMatrix::total() const { return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0}); }

double ConfusionMatrix::accuracy() const {
  std::int64_t right = 0;
  for (std::int64_t c = 0; c < classes_; ++c) right += count(c, c);
  return over(right, total());
}

std::vector<double> ConfusionMatrix::precision() const {
  std::vector<double> shares;
  for (std::int64_t c = 0; c < classes_; ++c) {
    std::int64_t column = 0;
    for (std::int64_t label = 0; label < classes_; ++label) column += count(label, c);
    shares.push_back(over(count(c, c), column));
  }
  return shares;
}

std::vector<double> ConfusionMatrix::recall() const {
  std::vector<double> shares;
  for (std::int64_t c = 0; c < classes_; ++c) {
    std::int64_t row = 0;
    for (std::int64_t prediction = 0; prediction < classes_; ++prediction) row += count(c, prediction);
    shares.push_back(over(count(c, c), row));
  }
  return shares;
}

std::vector<double> ConfusionMatrix::f1_score() const {
  const std::vector<double> p = precision(), r = recall();
  std::vector<double> scores;
  for (std::size_t c = 0; c < p.size(); ++c) scores.push_back(p[c] + r[c] == 0 ? 0 : 2 * p[c] * r[c] / (p[c] + r[c]));
  return scores;
}

Tensor ConfusionMatrix::values() const { return Tensor::from(counts_, {classes_, classes_}); }

std::string ConfusionMatrix::to_string(const std::vector<std::string>& class_names) const {
  if (!class_names.empty() && class_names.size() != static_cast<std::size_t>(classes_))
    throw ValueError(fmt::format("ConfusionMatrix: {} names came for {} classes", class_names.size(), classes_));
  const auto name_of = [&](std::int64_t c) { return class_names.empty() ? std::to_string(c) : class_names[static_cast<std::size_t>(c)]; };
  const std::vector<double> of_columns = precision(), of_rows = recall();
  std::vector<std::vector<std::string>> table(1, {"label \\ prediction"});
  for (std::int64_t c = 0; c < classes_; ++c) table[0].push_back(name_of(c));
  table[0].push_back("recall");
  for (std::int64_t label = 0; label < classes_; ++label) {
    std::vector<std::string>& row = table.emplace_back(1, name_of(label));
    for (std::int64_t prediction = 0; prediction < classes_; ++prediction) row.push_back(std::to_string(count(label, prediction)));
    row.push_back(fmt::format("{:.4f}", of_rows[static_cast<std::size_t>(label)]));
  }
  std::vector<std::string>& last = table.emplace_back(1, "precision");
  for (const double share : of_columns) last.push_back(fmt::format("{:.4f}", share));
  last.push_back(fmt::format("{:.4f}", accuracy()));
  std::vector<std::size_t> widths(table[0].size(), 0);
  for (const auto& row : table)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], cells_of(row[i]));
  std::string text;
  for (const auto& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string gap(widths[i] - cells_of(row[i]), ' ');
      text += i == 0 ? row[i] + gap : "  " + gap + row[i];
    }
    text += '\n';
  }
  return text;
}

ConfusionMatrix confusion_matrix(const Tensor& labels, const Tensor& predictions, std::int64_t classes) {
  if (classes == 0) {
    const std::vector<std::int64_t> truth = classes_of(labels, "labels", false), said = classes_of(predictions, "predictions", true);
    for (const std::int64_t c : truth) classes = std::max(classes, c + 1);
    for (const std::int64_t c : said) classes = std::max(classes, c + 1);
    if (!is_list(predictions)) classes = std::max(classes, predictions.shape()[1]);
  }
  ConfusionMatrix matrix(classes);
  matrix.update(labels, predictions);
  return matrix;
}

}  // namespace linn::metrics
