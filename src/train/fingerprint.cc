#include "train/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "io/checksum.h"

namespace linn::detail::train {
namespace {

constexpr std::int64_t most_samples = 256;

// Every sample of few, or some of many.
std::uint32_t checksum(const Tensor& tensor, std::uint32_t so_far) {
  const std::int64_t count = tensor.shape()[0], taken = std::min(count, most_samples);
  const std::size_t bytes = tensor.bytes() / static_cast<std::size_t>(std::max<std::int64_t>(count, 1));
  for (std::int64_t i = 0; i < taken; ++i) {
    const std::int64_t sample = i * count / taken;
    so_far = io::crc32(std::span(static_cast<const std::byte*>(tensor.raw()) + static_cast<std::size_t>(sample) * bytes, bytes), so_far);
  }
  return so_far;
}

// "x (28, 28, 1) uint8, y () int64, checksum 0a1b2c3d".
std::string described(std::vector<std::pair<const char*, Tensor>> tensors) {
  std::erase_if(tensors, [](const auto& entry) { return !entry.second.defined(); });
  std::uint32_t sum = 0;
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    text += fmt::format("{} {} {}, ", name, tensor.shape().without_first().to_string(), name_of(tensor.dtype()));
    sum = checksum(tensor, sum);
  }
  return fmt::format("{}checksum {:08x}", text, sum);
}

void add(std::vector<std::pair<const char*, Tensor>>& all, const char* name, const Tensors& tensors) {
  for (const Tensor& tensor : tensors.list()) all.emplace_back(name, tensor);
  for (const auto& [key, tensor] : tensors.named()) all.emplace_back(name, tensor);
}

}  // namespace

std::string fingerprint(const Samples& samples) {
  std::vector<std::pair<const char*, Tensor>> all;
  for (const Tensor& x : samples.x) all.emplace_back("x", x);
  for (const Tensor& y : samples.y) all.emplace_back("y", y);
  for (const Tensor& weight : samples.weight) all.emplace_back("weight", weight);
  return fmt::format("{} samples, {}", samples.count(), described(std::move(all)));
}

std::string fingerprint(const Dataset& batches) {
  const std::int64_t count = batches.cardinality();
  const std::string size = count >= 0 ? fmt::format("{} batches", count) : count == Dataset::infinite ? "batches without end" : "batches of unknown number";
  if (!batches.is_indexed()) return size;
  Batch first;
  std::vector<std::pair<const char*, Tensor>> all;
  if (batches.iterate().next(first)) {
    add(all, "x", first.x);
    add(all, "y", first.y);
    add(all, "weight", first.sample_weight);
  }
  return fmt::format("{}, first {}", size, described(std::move(all)));
}

}  // namespace linn::detail::train
