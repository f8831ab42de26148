// HDF5: everything is opened and read; what was read, written and read again, is the same.
#include "io/hdf5.h"

#include <cstring>
#include <vector>

#include "check.h"
#include "io/elements.h"

namespace {

using namespace linn;

void copy_attributes(const io::Hdf5Object& object, io::Hdf5Writer& writer) {
  for (const std::string& name : object.attribute_names()) {
    fuzz::accept_errors([&] {
      const io::Hdf5Attribute attribute = *object.attribute(name);
      if (attribute.is_text())
        writer.attribute(object.path(), name, attribute.text());
      else if (std::holds_alternative<std::vector<std::string>>(attribute.value))
        writer.attribute(object.path(), name, attribute.texts());
    });
  }
}

/// Copies all that can be read, each object for itself, so that one that is refused does not hide the others.
void copy(const io::Hdf5Group& group, io::Hdf5Writer& writer) {
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

void compare(const io::Hdf5Group& one, const io::Hdf5Group& other) {
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

std::vector<std::byte> written(io::Hdf5Writer& writer) {
  std::vector<std::byte> bytes;
  writer.write([&](std::span<const std::byte> part) { bytes.insert(bytes.end(), part.begin(), part.end()); });
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accept_errors([&] {
    const io::Hdf5File file(fuzz::bytes_of(data, size), "fuzz.h5");
    io::Hdf5Writer writer;
    copy(file.root(), writer);
    const std::vector<std::byte> once = written(writer);
    // No error is accepted from what linn wrote.
    try {
      const io::Hdf5File back(once, "once.h5");
      io::Hdf5Writer again;
      copy(back.root(), again);
      const std::vector<std::byte> twice = written(again);
      compare(back.root(), io::Hdf5File(twice, "twice.h5").root());
      fuzz::check(once == twice, "what was read gives the same bytes again");
    } catch (const Error& error) {
      fuzz::check(false, error.what());
    }
  });
  return 0;
}
