#include "io/npz.h"

#include "io/bytes.h"
#include "io/elements.h"
#include "io/npy.h"

namespace linn::detail::io {

void add_array(ZipWriter& zip, const std::string& name, const Tensor& tensor, ZipWriter::Method method) {
  const std::string header = npy_header(tensor);
  const std::span<const std::byte> parts[] = {bytes_of(header), bytes_of(tensor)};
  zip.add_parts(name + ".npy", parts, method);
}

Tensor read_array(const ZipReader& zip, const ZipMember& member) {
  const auto source = zip.open(member);
  Tensor array = read_npy(*source);
  source->finish();
  return array;
}

}  // namespace linn::detail::io
