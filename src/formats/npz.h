// Arrays as members of a ZIP archive, as numpy's .npz files hold them.
#pragma once

#include <string>

#include "io/zip.h"
#include "linn/tensor.h"

namespace linn::formats {

/// Adds the member NAME.npy.
void add_array(io::ZipWriter& zip, const std::string& name, const Tensor& tensor);
/// The array of a member, whose checksum is compared.
Tensor read_array(const io::ZipReader& zip, const io::ZipMember& member);

}  // namespace linn::formats
