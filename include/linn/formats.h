// room: formats
// Files of named tensors that other programs read and write too.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "linn/tensor.h"

namespace linn {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
/// The texts that a safetensors file carries beside its tensors.
using Metadata = std::map<std::string, std::string>;

/// The tensors of a safetensors file (https://github.com/huggingface/safetensors) in the order of their bytes, and its
/// metadata where `metadata` is given. Every rule of the format is checked: header of at most 100,000,000 bytes that begins
/// with '{', no name twice, sizes that agree with shape and type, and offsets without overlap, hole or rest.
/// Types without a linn::DType load as the next wider one, as for numpy's files (linn/data.h).
/// Throws FormatError, IoError and MemoryError.
NamedTensors load_safetensors(const std::string& path, Metadata* metadata = nullptr);

/// Writes tensors and metadata as the reference implementation does: widest types first, then by name. The file is the old one
/// or the new one at every instant. Throws ValueError for a name given twice or an empty tensor, IoError.
void save_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata = {});

}  // namespace linn
