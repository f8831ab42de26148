#include "model/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <new>
#include <optional>
#include <utility>

#include "core/limits.h"
#include "core/text_cells.h"
#include "formats/file_kind.h"
#include "formats/inspect.h"
#include "formats/model_file.h"
#include "formats/safetensors.h"
#include "formats/training_state.h"
#include "io/file.h"
#include "io/json.h"
#include "io/text.h"
#include "linn/error.h"
#include "linn/formats.h"
#include "train/checkpoint.h"
#include "train/self_test.h"

namespace linn::detail::model {
namespace {

namespace fs = std::filesystem;
using formats::FileKind;

constexpr const char* config_key = "linn.config";  // of model.safetensors

class Verifier {
 public:
  explicit Verifier(std::string path) : path_(std::move(path)) {}

  std::vector<Check> run() {
    if (fs::is_directory(path_) && !formats::holds_model(path_) && train::has_checkpoint(path_)) {
      look_at_interrupted_training();
      return std::move(checks_);
    }
    const FileKind kind = formats::kind_of(path_);
    if (kind == FileKind::model_directory)
      look_at_directory();
    else if (kind == FileKind::json)
      look_at_configuration(path_);
    else
      look_at_file(path_, kind);
    return std::move(checks_);
  }

 private:
  // Adds a check: what `work` returns was found, or the error that it threw.
  template <class Work>
  bool check(const std::string& file, const char* name, const Work& work) {
    Check done{.file = file, .name = name, .text = {}};
    try {
      done.text = work();
    } catch (const Error& error) {
      done.fail(error.what());
    } catch (const std::bad_alloc&) {
      done.fail("there is not enough memory to look");
    }
    checks_.push_back(std::move(done));
    return checks_.back().fault == nullptr;
  }

  void look_at_directory() {
    const std::string model = inside("model.safetensors"), config = inside("config.json");
    look_at_file(model, FileKind::safetensors);
    if (fs::exists(config)) check(config, "configuration", [&] { return compare_configuration(config, model); });
    look_at_checkpoints();
  }

  void look_at_interrupted_training() {
    check(path_, "training", [&] { return fmt::format("was interrupted, and has saved no model yet; `linn train --resume {}` goes on", path_); });
    look_at_checkpoints();
  }

  void look_at_checkpoints() {
    std::vector<std::string> checkpoints;
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(path_, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("checkpoint") && name.ends_with(".safetensors")) checkpoints.push_back(name);
    }
    std::ranges::sort(checkpoints);
    for (const std::string& name : checkpoints) look_at_checkpoint(inside(name.c_str()));
  }

  void look_at_file(const std::string& file, FileKind kind) {
    if (kind == FileKind::safetensors && !look_at_checksums(file)) return;
    std::optional<formats::Inspection> inspection;
    const bool is_whole = check(file, "bytes", [&] {
      inspection = formats::inspect(file, true);
      return fmt::format("{}, {} tensors, {} bytes", inspection->kind, inspection->tensors.size(),
                         core::thousands(static_cast<std::int64_t>(inspection->bytes)));
    });
    if (!is_whole) return;
    check(file, "values", [&] { return values_text(file, *inspection); });
    if (!holds_network(*inspection, kind)) return;
    const std::optional<formats::ModelFile> model = look_at_network(file);
    if (model && model->training) check(file, "training state", [&] { return training_text(file, *model->training); });
  }

  // Of a safetensors file: a check for each tensor that is damaged, which reading would stop at.
  bool look_at_checksums(const std::string& file) {
    formats::ChecksumReport report;
    if (!check(file, "checksums", [&] {
          report = formats::compare_checksums(io::read_file(file), file);
          if (!report.faults.empty()) throw FormatError(file + ": " + report.faults.front());
          return std::string(report.has_checksums ? "those of all tensors and of the metadata match" : "the file has none");
        })) {
      for (std::size_t i = 1; i < report.faults.size(); ++i)
        check(file, "checksums", [&]() -> std::string { throw FormatError(file + ": " + report.faults[i]); });
      return false;
    }
    return true;
  }

  static std::string values_text(const std::string& file, const formats::Inspection& inspection) {
    std::int64_t denormal = 0, bad = 0;
    std::string first, first_denormal;
    for (const formats::InspectedTensor& tensor : inspection.tensors) {
      const formats::ValueFacts& facts = *tensor.values;
      if (facts.denormal > 0 && denormal == 0) first_denormal = tensor.name;
      denormal += facts.denormal;
      if (facts.nan + facts.infinite == 0) continue;
      if (bad++ == 0) first = fmt::format("tensor {} holds {} NaN and {} infinities", io::quote(tensor.name), facts.nan, facts.infinite);
    }
    if (bad > 0) throw DataError(fmt::format("{}: {}{}", file, first, bad > 1 ? fmt::format(", and {} more tensors hold some", bad - 1) : ""));
    return denormal == 0 ? "all are finite" : fmt::format("all are finite; {} are denormal, the first in {}", denormal, io::quote(first_denormal));
  }

  static bool holds_network(const formats::Inspection& inspection, FileKind kind) {
    if (kind == FileKind::shards || kind == FileKind::npz) return false;
    if (kind != FileKind::safetensors && kind != FileKind::hdf5) return true;
    return std::ranges::any_of(inspection.facts, [](const auto& fact) { return fact.first == "model" || fact.first == config_key; });
  }

  static std::string network_text(const graph::Graph& graph) {
    return graph.built() ? fmt::format("\"{}\", {} layers, {} parameters", graph.name(), graph.members().size(), core::thousands(graph.parameters(false)))
                         : fmt::format("\"{}\", {} layers; its input's shape is open", graph.name(), graph.members().size());
  }

  std::optional<formats::ModelFile> look_at_network(const std::string& file) {
    std::optional<formats::ModelFile> model;
    if (!check(file, "network", [&] {
          model = formats::load_model(file);
          return network_text(model->config.graph) + (model->config.compile ? "" : "; not compiled");
        }))
      return std::nullopt;
    check(file, "self-test", [&]() -> std::string {
      if (!model->self_test) return "the file has none";
      const double apart = train::self_test_distance(model->config.graph, *model->self_test);
      if (apart <= train::self_test_bound) return "the outputs are those that it was saved with";
      throw DataError(file + ": the outputs for the input that the model was saved with are not those of then: " +
                      (std::isfinite(apart) ? fmt::format("they differ by {:.2g} of the largest", apart)
                                            : std::string("they cannot be compared, or are no numbers")));
    });
    return model;
  }

  // A network without weights.
  void look_at_configuration(const std::string& file) {
    check(file, "network", [&] { return network_text(formats::load_model(file).config.graph); });
  }

  static std::string compare_configuration(const std::string& config, const std::string& model) {
    const core::Bytes text = io::read_file(config, io::JsonLimits{}.bytes);
    const io::Json here = io::parse_json(io::text_of(text), config);
    const formats::SafetensorsHeader header = formats::read_safetensors_header(model);
    const auto known = header.metadata.find(config_key);
    if (known == header.metadata.end()) return "model.safetensors holds none to compare with";
    if (here == io::parse_json(known->second, model)) return "as in model.safetensors";
    throw FormatError(config + ": is not the configuration in model.safetensors, which is the one that counts");
  }

  void look_at_checkpoint(const std::string& file) {
    if (!look_at_checksums(file)) return;
    if (!check(file, "values", [&] { return values_text(file, formats::inspect(file, true)); })) return;
    const std::optional<formats::ModelFile> model = look_at_network(file);
    if (!model) return;
    check(file, "training state", [&]() -> std::string {
      if (!model->training) return "none: the weights alone can be used";
      return training_text(file, *model->training) + (model->training->fit.is_null() ? ", without the place of a fit" : "");
    });
  }

  // The optimizer's slots are no weights, and inspect does not list them.
  static std::string training_text(const std::string& file, const formats::TrainingState& state) {
    const OptimizerState& optimizer = state.optimizer;
    for (std::size_t i = 0; i < optimizer.slots.size(); ++i)
      for (const Tensor& slot : optimizer.slots[i])
        if (!all_finite(slot))
          throw DataError(fmt::format("{}: the optimizer's slots of {} hold NaN or infinities: training cannot go on from there", file, io::quote(optimizer.variables[i].name)));
    return fmt::format("there, of step {}", core::thousands(optimizer.steps));
  }

  static bool all_finite(const Tensor& tensor) {
    return tensor.dtype() != DType::f32 || std::ranges::all_of(tensor.values<float>(), [](float value) { return std::isfinite(value); });
  }

  std::string inside(const char* name) const { return (fs::path(path_) / name).string(); }

  std::string path_;
  std::vector<Check> checks_;
};

}  // namespace

void Check::fail(std::string says) {
  fault = std::current_exception();
  text = std::move(says);
  if (text.starts_with(file + ": ")) text.erase(0, file.size() + 2);
}

std::vector<Check> verify(const std::string& path) { return Verifier(path).run(); }

}  // namespace linn::detail::model
