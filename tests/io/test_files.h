// What the tests of files share: a temporary folder, the kept files, ways to damage bytes, and a check of an error's text.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "linn/error.h"
#include "linn/tensor.h"
#include "support/message_of.h"
#include "support/source_tree.h"
#include "support/temp_dir.h"

namespace linn::test {

using Bytes = std::vector<std::byte>;

/// A kept file of a room: tests/ROOM/data/NAME.
inline std::string kept(const std::string& room, const std::string& name) {
  return tests::source_dir() + "/tests/" + room + "/data/" + name;
}

inline Bytes bytes(std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

/// By the standard library, so that the code under test does not judge itself.
inline Bytes slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("test file is missing: " + path);
  return bytes(std::string(std::istreambuf_iterator<char>(file), {}));
}

inline void spill(const std::string& path, const Bytes& content) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  if (!file.flush()) throw std::runtime_error("test file cannot be written: " + path);
}

/// Expects an Exception whose text holds every part.
template <class Exception>
void expect_error(const std::function<void()>& run, std::initializer_list<std::string_view> parts) {
  const std::string message = tests::message_of<Exception>(run);
  for (const std::string_view part : parts) EXPECT_THAT(message, testing::HasSubstr(std::string(part)));
}

/// Runs `load` on the first 0, 1, ..., n-1 bytes; each must be a FormatError.
inline void every_truncation_fails(const Bytes& whole, const std::function<void(std::span<const std::byte>)>& load) {
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // A copy of just these bytes, so that a sanitizer sees a read past them.
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(load(part), FormatError) << "the first " << size << " of " << whole.size() << " bytes";
  }
}

/// Runs `load` on the bytes with each single bit turned; each must throw a linn::Error or return normally (`load` itself checks
/// what it got). Returns how many threw.
inline std::size_t every_bit_flip(Bytes content, const std::function<void(std::span<const std::byte>)>& load) {
  std::size_t thrown = 0;
  for (std::size_t bit = 0; bit < content.size() * 8; ++bit) {
    content[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    try {
      SCOPED_TRACE("bit " + std::to_string(bit % 8) + " of byte " + std::to_string(bit / 8));
      load(content);
    } catch (const Error&) {
      ++thrown;
    } catch (const std::exception& error) {
      ADD_FAILURE() << "byte " << bit / 8 << " bit " << bit % 8 << ": no linn::Error: " << error.what();
    }
    content[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  }
  return thrown;
}

/// The elements as doubles.
inline std::vector<double> numbers(const Tensor& tensor) {
  const Tensor wide = tensor.astype(DType::f64);
  const auto values = wide.values<double>();
  return {values.begin(), values.end()};
}

inline std::vector<double> counting(int count, double first = 0, double step = 1) {
  std::vector<double> result;
  for (int i = 0; i < count; ++i) result.push_back(first + i * step);
  return result;
}

}  // namespace linn::test
