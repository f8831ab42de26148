// Numbers of an ONNX file that are known when it is read: initializers, constants, and what is computed from them and from shapes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/memory.h"
#include "formats/onnx/proto.h"
#include "linn/tensor.h"

namespace linn::detail::formats::onnx {

/// What an integer that came from a shape stands for.
enum class Mark : std::uint8_t {
  known,  // itself
  batch,  // the number of images; the value is the one that the file declares, or -1
  open,   // a size that the file leaves open; the value means nothing
};

/// Row-major. Every floating-point type is float32 here, every integer and truth value int64.
struct Constant {
  std::vector<std::int64_t> dims;
  bool is_float = false;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;
  std::vector<Mark> marks;  // of the integers; empty: all known

  std::size_t elements() const { return is_float ? floats.size() : integers.size(); }
  Mark mark(std::size_t i) const { return marks.empty() ? Mark::known : marks[i]; }
  bool is_scalar() const { return elements() == 1; }
  /// Any element as a number.
  double number(std::size_t i) const { return is_float ? static_cast<double>(floats[i]) : static_cast<double>(integers[i]); }
  std::string shape_text() const;
};

using ConstantPtr = std::shared_ptr<const Constant>;

Constant make_floats(std::vector<std::int64_t> dims, std::vector<float> values);
Constant make_integers(std::vector<std::int64_t> dims, std::vector<std::int64_t> values, std::vector<Mark> marks = {});

/// The product of the sizes; FormatError for a negative size or a product above 2^58.
std::int64_t element_count(std::span<const std::int64_t> dims, const std::string& where);

/// Files beside the model that hold the numbers of tensors. Nothing but regular files inside the model's folder is opened.
class ExternalFiles {
 public:
  /// `folder`: empty where there is none, and every external tensor is refused.
  explicit ExternalFiles(std::string folder) : folder_(std::move(folder)) {}
  /// The bytes of a tensor; they live as long as this object.
  std::span<const std::byte> bytes_of(const TensorProto& tensor, std::uint64_t wanted, const std::string& where);

 private:
  const core::Bytes& file(std::string_view location, const std::string& where);

  std::string folder_;
  std::map<std::string, core::Bytes, std::less<>> files_;
};

/// The numbers of a tensor. FormatError unless as many are there as its shape says.
Constant decode(const TensorProto& tensor, ExternalFiles& files, const std::string& where);

}  // namespace linn::detail::formats::onnx
