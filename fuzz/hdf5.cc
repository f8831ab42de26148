// HDF5: everything is opened and read; what was read, written and read again, is the same.
// The mutator puts checksums right, because damage behind a wrong checksum is never reached.
#include "io/hdf5.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "io/elements.h"

namespace {

using namespace linn;

void copy_attributes(const detail::io::Hdf5Object& object, detail::io::Hdf5Writer& writer) {
  for (const std::string& name : object.attribute_names()) {
    fuzz::accept_errors([&] {
      const detail::io::Hdf5Attribute attribute = *object.attribute(name);
      if (attribute.is_text())
        writer.attribute(object.path(), name, attribute.text());
      else if (std::holds_alternative<std::vector<std::string>>(attribute.value))
        writer.attribute(object.path(), name, attribute.texts());
    });
  }
}

/// Copies all that can be read, each object for itself, so that one that is refused does not hide the others.
void copy(const detail::io::Hdf5Group& group, detail::io::Hdf5Writer& writer) {
  fuzz::accept_errors([&] { writer.group(group.path()); });
  fuzz::accept_errors([&] { copy_attributes(group, writer); });
  for (const std::string& name : group.names()) {
    fuzz::accept_errors([&] {
      if (const auto below = group.find_group(name)) return copy(*below, writer);
      const auto dataset = group.find_dataset(name);
      if (!dataset) return;
      if (dataset->is_text()) {
        dataset->texts();
        return;
      }
      const Tensor tensor = dataset->read();
      fuzz::check(tensor.shape() == dataset->shape(), "a dataset has the shape that it declares");
      writer.dataset(dataset->path(), tensor);
      copy_attributes(*dataset, writer);
    });
  }
}

void compare(const detail::io::Hdf5Group& one, const detail::io::Hdf5Group& other) {
  fuzz::check(one.names() == other.names(), "names outlive a round trip");
  fuzz::check(one.attribute_names() == other.attribute_names(), "attributes outlive a round trip");
  for (const std::string& name : one.names()) {
    if (const auto below = one.find_group(name)) {
      compare(*below, other.group(name));
      continue;
    }
    const Tensor a = one.dataset(name).read();
    const Tensor b = other.dataset(name).read();
    fuzz::check(a.shape() == b.shape() && a.dtype() == b.dtype(), "shape and type outlive a round trip");
    fuzz::check(std::memcmp(a.raw(), b.raw(), a.bytes()) == 0, "elements outlive a round trip");
  }
}

/// Opens and reads all, and returns the text of each error.
void collect_errors(const detail::io::Hdf5Group& group, std::vector<std::string>& errors) {
  const auto note = [&](auto&& read) {
    try {
      read();
    } catch (const Error& error) {
      errors.emplace_back(error.what());
    }
  };
  for (const std::string& name : group.names())
    note([&] {
      if (const auto below = group.find_group(name)) {
        note([&] { below->attribute_names(); });
        collect_errors(*below, errors);
      } else if (const auto dataset = group.find_dataset(name)) {
        note([&] { dataset->attribute_names(); });
        if (!dataset->is_text()) dataset->read();
      }
    });
}

/// Replaces the stored checksum that an error complains about by the computed one. Returns whether there was one.
bool repair(std::span<std::uint8_t> bytes, const std::string& error) {
  constexpr std::string_view begin = "checksum is ";
  constexpr std::string_view between = ", ";
  const std::size_t at = error.find(begin);
  if (at == std::string::npos || !error.ends_with(" was stored")) return false;
  const auto number = [&](std::size_t from) {
    return static_cast<std::uint32_t>(std::strtoul(error.substr(from, 8).c_str(), nullptr, 16));
  };
  const std::uint32_t computed = number(at + begin.size());
  const std::uint32_t stored = number(at + begin.size() + 8 + between.size());
  const auto* stored_bytes = reinterpret_cast<const std::uint8_t*>(&stored);
  const auto found = std::search(bytes.begin(), bytes.end(), stored_bytes, stored_bytes + 4);
  if (found == bytes.end()) return false;
  std::memcpy(&*found, &computed, 4);
  return true;
}

std::vector<std::byte> written(detail::io::Hdf5Writer& writer) {
  std::vector<std::byte> bytes;
  writer.write([&](std::span<const std::byte> part) { bytes.insert(bytes.end(), part.begin(), part.end()); });
  return bytes;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most) __attribute__((weak));

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (seed % 16 == 0) return size;  // wrong checksums are tried too
  bool repaired = true;
  for (int round = 0; repaired && round < 8; ++round) {
    std::vector<std::string> errors;
    try {
      collect_errors(detail::io::Hdf5File(fuzz::bytes_of(data, size), "fuzz.h5").root(), errors);
    } catch (const Error& error) {
      errors.emplace_back(error.what());
    }
    repaired = false;
    for (const std::string& error : errors) repaired = repair({data, size}, error) || repaired;
  }
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accept_errors([&] {
    const detail::io::Hdf5File file(fuzz::bytes_of(data, size), "fuzz.h5");
    detail::io::Hdf5Writer writer;
    copy(file.root(), writer);
    const std::vector<std::byte> once = written(writer);
    // No error is accepted from what linn wrote.
    try {
      const detail::io::Hdf5File back(once, "once.h5");
      detail::io::Hdf5Writer again;
      copy(back.root(), again);
      const std::vector<std::byte> twice = written(again);
      compare(back.root(), detail::io::Hdf5File(twice, "twice.h5").root());
      fuzz::check(once == twice, "what was read gives the same bytes again");
    } catch (const Error& error) {
      fuzz::check(false, error.what());
    }
  });
  return 0;
}
