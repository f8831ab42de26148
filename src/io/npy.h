// numpy's .npy files (format 1.0, 2.0 and 3.0): https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/source.h"
#include "linn/error.h"
#include "linn/tensor.h"

namespace linn::detail::io {

/// A whole array whose elements have no linn::DType: Python objects, records, texts, dates, complex numbers.
class UnsupportedElements : public FormatError {
 public:
  using FormatError::FormatError;
};

/// Reads one array to the end of the source; what follows it is an error. C and Fortran order, both byte orders, types as
/// in elements.h. The header may have 10,000 bytes, as in numpy, checked before it is read. It is parsed, never evaluated:
/// a dict of exactly 'descr', 'fortran_order' and 'shape'. Arrays of Python objects, records, texts, dates and complex
/// numbers are refused with UnsupportedElements. Throws FormatError with file and offset.
Tensor read_npy(Source& source);
Tensor read_npy(std::span<const std::byte> bytes, std::string where);

/// The bytes in front of the elements, as numpy writes them (version 1.0, padded to a multiple of 64).
/// Throws ValueError for bfloat16, which numpy does not have.
std::string npy_header(const Tensor& tensor);

}  // namespace linn::detail::io
