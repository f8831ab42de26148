// What docs/shift-study.md keeps of a network and seed: a row of a CSV file. Used by the programs that measure.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <functional>
#include <limits>
#include <string>

#include "linn/linn.h"

namespace study {

double now();  // seconds

// Bytes as numbers from 0 to 1.
linn::Tensor from_0_to_1(const linn::Tensor& bytes);

constexpr std::int64_t radius = 4;

struct Row {
  double accuracy = 0;
  std::array<double, radius> worst{};  // share of images that are right at every shift within 1, 2, .. pixels
  double consistency = 0;
  // Of circular shifts; NaN: not measured.
  double circular = std::numeric_limits<double>::quiet_NaN(), circular_worst = std::numeric_limits<double>::quiet_NaN();
  std::int64_t parameters = 0;
  double operations = 0;  // of an image, millions, in the direct form
};

// The measures of shifts that a sweep over `radius` gives.
void take(Row& row, const linn::shift::Sweep& sweep);

double million_operations(linn::Model& model);

struct RowKey {
  std::string network, head, images;
  std::uint64_t seed = 0;
};

// A file of rows that only grows: a run that was stopped goes on where it was.
class RowFile {
 public:
  explicit RowFile(const std::string& path);

  // Measures and appends the row, unless the file has it; prints it with its seconds. Throws std::runtime_error where it cannot be written.
  void add(const RowKey& key, const std::function<Row()>& measure);

 private:
  std::string path_, found_;
  std::ofstream out_;
};

}  // namespace study
