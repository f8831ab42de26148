// Arrays as members of a ZIP archive, as numpy's .npz files hold them.
#pragma once

#include <string>

#include "io/zip.h"
#include "linn/tensor.h"

namespace linn::detail::io {

/// Adds the member NAME.npy. Throws ValueError for bfloat16, which numpy does not have.
void add_array(ZipWriter& zip, const std::string& name, const Tensor& tensor, ZipWriter::Method method = ZipWriter::Method::stored);
/// The array of a member, whose checksum is compared.
Tensor read_array(const ZipReader& zip, const ZipMember& member);

}  // namespace linn::detail::io
