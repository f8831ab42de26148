#include "formats/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>

#include "core/tensor_visit.h"
#include "core/text_cells.h"
#include "formats/file_kind.h"
#include "formats/keras_file.h"
#include "formats/keras_weights.h"
#include "formats/onnx/constant.h"
#include "formats/onnx/proto.h"
#include "formats/safetensors.h"
#include "formats/training_state.h"
#include "io/bytes.h"
#include "io/checksum.h"
#include "io/elements.h"
#include "io/file.h"
#include "io/hdf5.h"
#include "io/json.h"
#include "io/npz.h"
#include "io/text.h"
#include "io/zip.h"

namespace linn::detail::formats {
namespace {

ValueFacts facts_of(const Tensor& tensor) {
  ValueFacts facts{.least = std::numeric_limits<double>::infinity(), .most = -std::numeric_limits<double>::infinity()};
  facts.crc32 = io::crc32(io::bytes_of(tensor));
  core::visit(tensor, [&](auto values) {
    for (const auto value : values) {
      double number = 0;
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, bfloat16>)
        number = static_cast<double>(to_float(value));
      else
        number = static_cast<double>(value);
      if (std::isnan(number)) {
        ++facts.nan;
      } else if (std::isinf(number)) {
        ++facts.infinite;
      } else {
        if (number != 0 && std::abs(number) < static_cast<double>(std::numeric_limits<float>::min())) ++facts.denormal;
        facts.least = std::min(facts.least, number);
        facts.most = std::max(facts.most, number);
      }
    }
  });
  return facts;
}

// 2 before 10: Keras numbers variables.
std::vector<std::string> in_order(std::vector<std::string> names) {
  const auto is_number = [](const std::string& name) { return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos; };
  if (std::ranges::all_of(names, is_number))
    std::ranges::stable_sort(names,
                             [](const std::string& a, const std::string& b) { return std::pair(a.size(), a) < std::pair(b.size(), b); });
  return names;
}

class Inspector {
 public:
  Inspector(const std::string& path, bool with_values) : path_(path), with_values_(with_values) {}

  Inspection run() {
    result_.kind = description_of(path_);
    switch (kind_of(path_)) {
      case FileKind::keras: read_keras(); break;
      case FileKind::hdf5: read_hdf5(io::Hdf5File(all(), path_).root(), ""); break;
      case FileKind::safetensors: read_safetensors_file(path_); break;
      case FileKind::model_directory: read_safetensors_file((std::filesystem::path(path_) / "model.safetensors").string()); break;
      case FileKind::onnx: read_onnx(); break;
      case FileKind::keras_directory: read_keras_directory(); break;
      case FileKind::shards: read_shards(); break;
      case FileKind::npz: read_arrays(io::ZipReader(all(), path_)); break;
      default:
        refuse(path_, "a file whose tensors linn can list",
               "it lists those of .keras, .h5, .weights.h5, .weights.json, .onnx, .safetensors and .npz files and of a model's directory");
    }
    return std::move(result_);
  }

 private:
  std::span<const std::byte> all() {
    bytes_ = io::read_file(path_);
    result_.bytes = bytes_.size();
    return bytes_;
  }

  void add(std::string name, std::string_view type, const Shape& shape, const std::function<Tensor()>& read) {
    InspectedTensor& tensor =
        result_.tensors.emplace_back(InspectedTensor{.name = std::move(name), .type = std::string(type), .shape = shape});
    if (with_values_) tensor.values = facts_of(read());
  }

  void add_fact(std::string name, std::string value) {
    if (!value.empty()) result_.facts.emplace_back(std::move(name), std::move(value));
  }

  void read_config(const io::Json& config, const std::string& where) {
    add_fact("model", fmt::format("{} \"{}\"", io::string_field_or(config, "class_name", where, "?"),
                                  config.contains("config") && config["config"].is_object()
                                      ? io::string_field_or(config["config"], "name", where, "")
                                      : ""));
    if (config.contains("config") && config["config"].is_object() && config["config"].contains("layers"))
      add_fact("layers", fmt::format("{}", config["config"]["layers"].size()));
    if (const io::Json* compile = io::find_field(config, "compile_config", where)) add_fact("compiled with", io::dump_json(*compile));
  }

  void read_keras() {
    const io::ZipReader zip(all(), path_);
    for (const io::ZipMember& member : zip.members()) {
      if (member.name == "metadata.json") {
        const core::Bytes text = zip.read(member);
        add_fact("Keras version",
                 io::string_field_or(io::parse_json(io::text_of(text), zip.where(member)), "keras_version", zip.where(member), ""));
      } else if (member.name == "config.json") {
        const core::Bytes text = zip.read(member);
        read_config(io::parse_json(io::text_of(text), zip.where(member)), zip.where(member));
      } else if (member.name == "model.weights.h5") {
        use_weights(zip, [&](std::span<const std::byte> weights, const std::string& where) {
          read_hdf5(io::Hdf5File(weights, where).root(), "");
        });
      } else {
        add_fact("also inside", fmt::format("{} ({} bytes)", member.name, member.size));
      }
    }
  }

  // A .keras archive, unpacked.
  void read_keras_directory() {
    const auto inside = [&](const char* name) { return (std::filesystem::path(path_) / name).string(); };
    const std::string config = inside("config.json"), weights = inside("model.weights.h5");
    const core::Bytes text = io::read_file(config, io::JsonLimits{}.bytes), bytes = io::read_file(weights);
    result_.bytes = text.size() + bytes.size();
    read_config(io::parse_json(io::text_of(text), config), config);
    read_hdf5(io::Hdf5File(bytes, weights).root(), "");
  }

  void read_hdf5(const io::Hdf5Group& group, const std::string& path) {
    if (path.empty() && group.has_attribute("keras_version")) add_fact("Keras version", group.attribute("keras_version")->text());
    if (path.empty() && group.has_attribute("model_config"))
      read_config(io::parse_json(group.attribute("model_config")->text(), group.where()), group.where());
    for (const std::string& name : in_order(group.names())) {
      const std::string place = path.empty() ? name : path + "/" + name;
      if (const auto dataset = group.find_dataset(name)) {
        if (const auto type = dataset->type()) add(place, io::name_of(*type), dataset->shape(), [&] { return dataset->read(); });
      } else {
        read_hdf5(group.group(name), place);
      }
    }
  }

  // The tensors of each shard; a shard is let go before the next is read.
  void read_shards() {
    std::uint64_t bytes = all().size();
    for (const std::string& file : shard_files(path_)) {
      const core::Bytes shard = io::read_file(file);
      const std::size_t before = result_.tensors.size();
      read_hdf5(io::Hdf5File(shard, file).root(), "");
      add_fact(fmt::format("shard {}", std::filesystem::path(file).filename().string()),
               fmt::format("{} bytes, {} tensors", core::thousands(static_cast<std::int64_t>(shard.size())), result_.tensors.size() - before));
      bytes += shard.size();
    }
    result_.bytes = bytes;
  }

  void read_onnx() {
    const onnx::ModelProto model = onnx::read_model(all(), path_);
    add_fact("made by", fmt::format("{} {}", model.producer_name, model.producer_version));
    for (const auto& [domain, version] : model.opsets)
      add_fact("operator set", fmt::format("{} {}", domain.empty() ? "ai.onnx" : domain, version));
    add_fact("nodes", fmt::format("{}", model.graph.nodes.size()));
    for (const auto& [key, value] : model.metadata) add_fact(key, value);
    const std::string folder = std::filesystem::path(path_).parent_path().string();
    onnx::ExternalFiles files(folder.empty() ? "." : folder);
    for (const onnx::TensorProto& tensor : model.graph.initializers) {
      const std::string place = fmt::format("{}: {}", path_, io::quote(tensor.name));
      add(std::string(tensor.name), onnx::name_of(tensor.type), io::checked_shape(place, tensor.dims, sizeof(std::int64_t)), [&] {
        const onnx::Constant values = onnx::decode(tensor, files, place);
        return values.is_float ? Tensor::from(values.floats, Shape(values.dims)) : Tensor::from(values.integers, Shape(values.dims));
      });
    }
  }

  void read_arrays(const io::ZipReader& zip) {
    for (const io::ZipMember& member : zip.members()) {
      if (member.directory()) continue;
      const Tensor tensor = io::read_array(zip, member);
      add(member.name, io::name_of(io::file_type_of(tensor.dtype())), tensor.shape(), [&] { return tensor; });
    }
  }

  void read_safetensors_file(const std::string& file) {
    result_.bytes = std::filesystem::file_size(file);
    const SafetensorsHeader header = read_safetensors_header(file);
    for (const auto& [key, value] : header.metadata) add_fact(key, value);
    add_training(header);
    if (!with_values_) {
      for (const SafetensorsHeader::Entry& entry : header.entries)
        if (!is_training_tensor(entry.name)) add(entry.name, io::name_of(entry.type), entry.shape, {});
      return;
    }
    const NamedTensors tensors = load_safetensors(file);
    for (const auto& [name, tensor] : tensors)
      if (!is_training_tensor(name)) add(name, io::name_of(io::file_type_of(tensor.dtype())), tensor.shape(), [&tensor = tensor] { return tensor; });
  }

  // What is no weight, in a line.
  void add_training(const SafetensorsHeader& header) {
    std::uint64_t bytes = 0;
    std::int64_t count = 0;
    for (const SafetensorsHeader::Entry& entry : header.entries)
      if (is_training_tensor(entry.name)) ++count, bytes += entry.end - entry.begin;
    if (count > 0) add_fact("tensors of the training's state", fmt::format("{}, {} bytes; not listed below", count, bytes));
  }

  std::string path_;
  bool with_values_;
  core::Bytes bytes_;
  Inspection result_;
};

}  // namespace

Inspection inspect(const std::string& path, bool with_values) { return Inspector(path, with_values).run(); }

}  // namespace linn::detail::formats
