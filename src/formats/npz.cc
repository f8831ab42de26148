#include "formats/npz.h"

#include "io/bytes.h"
#include "io/elements.h"
#include "io/npy.h"

namespace linn::formats {

void add_array(io::ZipWriter& zip, const std::string& name, const Tensor& tensor) {
  const std::string header = io::npy_header(tensor);
  const std::span<const std::byte> parts[] = {io::bytes_of(header), io::bytes_of(tensor)};
  zip.add_parts(name + ".npy", parts);
}

Tensor read_array(const io::ZipReader& zip, const io::ZipMember& member) {
  const auto source = zip.open(member);
  Tensor array = io::read_npy(*source);
  source->finish();
  return array;
}

}  // namespace linn::formats
