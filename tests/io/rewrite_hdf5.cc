// Reads an HDF5 file and writes all that it holds into another, for check_hdf5_writer.py: rewrite_hdf5 FROM TO.
#include <cstdio>
#include <exception>

#include "io/file.h"
#include "io/hdf5.h"

namespace {

using namespace linn;

void copy_attributes(const detail::io::Hdf5Object& object, detail::io::Hdf5Writer& writer) {
  for (const std::string& name : object.attribute_names()) {
    const detail::io::Hdf5Attribute attribute = *object.attribute(name);
    if (attribute.is_text()) {
      writer.attribute(object.path(), name, attribute.text());
    } else if (const auto* numbers = std::get_if<Tensor>(&attribute.value); numbers != nullptr && numbers->elements() > 0) {
      if (numbers->elements() > 1) throw FormatError(attribute.where + ": arrays of numbers are not written as attributes");
      if (numbers->dtype() == DType::f32 || numbers->dtype() == DType::f64)
        writer.attribute(object.path(), name, numbers->astype(DType::f64).values<double>()[0]);
      else
        writer.attribute(object.path(), name, numbers->astype(DType::i64).values<std::int64_t>()[0]);
    } else {
      writer.attribute(object.path(), name, attribute.texts());
    }
  }
}

void copy(const detail::io::Hdf5Group& group, detail::io::Hdf5Writer& writer) {
  writer.group(group.path());
  copy_attributes(group, writer);
  for (const std::string& name : group.names()) {
    if (const auto dataset = group.find_dataset(name)) {
      writer.dataset(dataset->path(), dataset->read());
      copy_attributes(*dataset, writer);
    } else {
      copy(group.group(name), writer);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: rewrite_hdf5 FROM TO\n");
    return 2;
  }
  try {
    const detail::core::Bytes bytes = detail::io::read_file(argv[1]);
    detail::io::Hdf5Writer writer;
    copy(detail::io::Hdf5File(bytes, argv[1]).root(), writer);
    detail::io::AtomicFile file(argv[2]);
    writer.write([&](std::span<const std::byte> part) { file.write(part); });
    file.commit();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
