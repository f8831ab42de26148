// room: formats
// Files of named tensors that other programs read and write too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linn/choice.h"
#include "linn/layer.h"
#include "linn/tensor.h"

namespace linn {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
/// The texts that a safetensors file carries beside its tensors.
using Metadata = std::map<std::string, std::string>;

struct WeightLayoutNames {
  enum Kind : std::uint8_t { keras, pytorch };
  static constexpr std::string_view option = "layout", names[] = {"keras", "pytorch"};
  static consteval void check(bool known) {
    if (!known) throw "layout must be \"keras\" or \"pytorch\"";
  }
};
/// Names of tensors in files, and the order of the axes of kernels: "keras" ("conv2d/kernel" of shape (height, width, in, out)) or "pytorch"
/// ("conv2d.weight" of shape (out, in, height, width)). A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using WeightLayout = Choice<WeightLayoutNames>;

struct LoadWeightsOptions {
  /// Match the layers of a legacy .h5 file by their names; those that the other side lacks are left alone. Else they are matched by their order.
  bool by_name = false;
  /// Leave out what does not fit, and report it. Else everything must fit, and nothing is changed where something does not.
  bool skip_mismatch = false;
};

struct SaveWeightsOptions {
  /// The names in .safetensors and .npz files. Loading finds out by itself.
  WeightLayout layout = "keras";
  /// Bytes in one file of a .weights.json.
  std::uint64_t max_shard_size = std::uint64_t{5} << 30;
};

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
