#include "shift_study_rows.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace study {
namespace {

constexpr std::string_view head =
    "network;head;images;seed;accuracy;worst case 1;worst case 2;worst case 3;worst case 4;consistency;circular consistency;circular worst case;parameters;"
    "million operations\n";

std::string text_of(double value) { return std::isnan(value) ? "" : fmt::format("{:.6f}", value); }

std::string prefix(const RowKey& key) { return fmt::format("{};{};{};{};", key.network, key.head, key.images, key.seed); }

std::string line(const RowKey& key, const Row& row) {
  std::string text = prefix(key) + fmt::format("{:.6f};", row.accuracy);
  for (const double worst : row.worst) text += fmt::format("{:.6f};", worst);
  return text + fmt::format("{:.6f};{};{};{};{:.2f}\n", row.consistency, text_of(row.circular), text_of(row.circular_worst), row.parameters, row.operations);
}

}  // namespace

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

linn::Tensor from_0_to_1(const linn::Tensor& bytes) {
  linn::Tensor values = bytes.astype(linn::DType::f32);
  for (float& value : values.values<float>()) value /= 255;
  return values;
}

void take(Row& row, const linn::shift::Sweep& sweep) {
  for (std::int64_t r = 1; r <= radius; ++r) row.worst[static_cast<std::size_t>(r - 1)] = sweep.worst_case_accuracy(r);
  row.consistency = sweep.measures(radius).consistency.value;
}

double million_operations(linn::Model& model) {
  constexpr std::int64_t batch = 16;
  double operations = 0;
  for (const linn::OpProfile& op : model.profile({.batch_size = batch, .steps = 1}).ops) operations += op.flops / static_cast<double>(batch) / 1e6;
  return operations;
}

RowFile::RowFile(const std::string& path) : path_(path) {
  if (std::ifstream in(path); in) found_.assign(std::istreambuf_iterator<char>(in), {});
  if (!found_.empty() && !found_.starts_with(head)) throw std::runtime_error(fmt::format("{} has other columns than those that are measured: {}", path, head));
  out_.open(path, std::ios::app);
  if (found_.empty()) out_ << head;
}

void RowFile::add(const RowKey& key, const std::function<Row()>& measure) {
  if (found_.find("\n" + prefix(key)) != std::string::npos) return;
  const double start = now();
  const std::string text = line(key, measure());
  fmt::print("{:4.0f} s  {}", now() - start, text);
  std::fflush(stdout);
  out_ << text << std::flush;
  if (!out_) throw std::runtime_error(fmt::format("{} cannot be written", path_));
}

}  // namespace study
