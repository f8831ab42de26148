// A small input of a model and what the model gave for it when it was saved, kept in its file.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "linn/tensor.h"

namespace linn::detail::formats {

struct SelfTest {
  std::vector<Tensor> inputs, outputs;
};

/// As an .npz file: x0, x1, ... and y0, y1, ...
std::vector<std::byte> self_test_to_npz(const SelfTest& test);
SelfTest self_test_from_npz(std::span<const std::byte> bytes, const std::string& where);

/// The key of that text in a file's metadata.
inline constexpr const char* self_test_key = "linn.selftest";
/// As one line of JSON, for files that carry texts alone: {"x": [{"shape": [...], "values": [...]}, ...], "y": [...]}.
std::string self_test_to_text(const SelfTest& test);
SelfTest self_test_from_text(const std::string& text, const std::string& where);

}  // namespace linn::detail::formats
