#include "formats/self_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "io/bytes.h"
#include "io/elements.h"
#include "io/json.h"
#include "io/npz.h"
#include "io/text.h"
#include "io/zip.h"

namespace linn::detail::formats {
namespace {

void add_arrays(io::ZipWriter& zip, const std::vector<Tensor>& tensors, char letter) {
  for (std::size_t i = 0; i < tensors.size(); ++i) io::add_array(zip, fmt::format("{}{}", letter, i), tensors[i]);
}

std::vector<Tensor> arrays(const io::ZipReader& zip, char letter) {
  std::vector<Tensor> tensors;
  while (const io::ZipMember* member = zip.find(fmt::format("{}{}.npy", letter, tensors.size())))
    tensors.push_back(io::read_array(zip, *member).astype(DType::f32));
  return tensors;
}

void check(const SelfTest& test, const std::string& where) {
  if (test.inputs.empty() || test.outputs.empty())
    io::format_error(where, "holds {} inputs and {} outputs of a test; each must be there", test.inputs.size(), test.outputs.size());
}

io::Json to_json(const std::vector<Tensor>& tensors) {
  io::Json list = io::Json::array();
  for (const Tensor& tensor : tensors) {
    const auto values = tensor.values<float>();
    list.push_back({{"shape", std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end())},
                    {"values", std::vector<float>(values.begin(), values.end())}});
  }
  return list;
}

std::vector<Tensor> from_json(const io::Json& list, const std::string& where) {
  std::vector<Tensor> tensors;
  for (const io::Json& json : list) {
    std::vector<std::int64_t> sizes;
    for (const io::Json& size : io::array_field(json, "shape", where)) sizes.push_back(io::as_integer(size, where, "shape", 0));
    const Shape shape = io::checked_shape(where, sizes, sizeof(float));
    const io::Json& numbers = io::array_field(json, "values", where);
    if (static_cast<std::int64_t>(numbers.size()) != shape.elements())
      io::format_error(where, "{} values came for shape {}", numbers.size(), shape.to_string());
    Tensor tensor(shape);
    std::ranges::transform(numbers, tensor.values<float>().begin(),
                           [&](const io::Json& number) { return static_cast<float>(io::as_number(number, where, "values")); });
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace

std::vector<std::byte> self_test_to_npz(const SelfTest& test) {
  io::Writer bytes;
  io::ZipWriter zip([&](std::span<const std::byte> part) { bytes.bytes(part); });
  add_arrays(zip, test.inputs, 'x');
  add_arrays(zip, test.outputs, 'y');
  zip.finish();
  return bytes.take();
}

SelfTest self_test_from_npz(std::span<const std::byte> bytes, const std::string& where) {
  const io::ZipReader zip(bytes, where);
  SelfTest test{.inputs = arrays(zip, 'x'), .outputs = arrays(zip, 'y')};
  check(test, where);
  return test;
}

std::string self_test_to_text(const SelfTest& test) { return io::dump_json({{"x", to_json(test.inputs)}, {"y", to_json(test.outputs)}}); }

SelfTest self_test_from_text(const std::string& text, const std::string& where) {
  const io::Json json = io::parse_json(text, where);
  SelfTest test{.inputs = from_json(io::array_field(json, "x", where), where),
                .outputs = from_json(io::array_field(json, "y", where), where)};
  check(test, where);
  return test;
}

}  // namespace linn::detail::formats
