#include "cli/file_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

#include "io/text.h"
#include "linn/error.h"

namespace linn::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view models_read =
    "linn reads the directory that `linn train --out DIR` or Model::save wrote, and a network's configuration as Keras's model.to_json() "
    "writes it (.json)";

// The first bytes; empty where the file cannot be read.
std::string beginning(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(4096, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// "a Keras model (.keras)"; empty for files of unknown kinds. Names are looked for among the first local headers of an archive, which
// lie within the first bytes as a model's small files come first; else the name tells.
std::string_view kind_of(const std::string& path) {
  const std::string text = beginning(path);
  const std::string_view start = text;
  if (start.starts_with("PK")) {
    if (has(start, "model.weights.h5") || has(start, "config.json") || path.ends_with(".keras")) return "a Keras model (.keras)";
    if (has(start, "data.pkl") || path.ends_with(".pt") || path.ends_with(".pth")) return "a PyTorch file";
    if (has(start, ".npy")) return "an .npz file of arrays";
    return "a ZIP archive";
  }
  if (start.starts_with("\x89HDF\r\n\x1a\n")) return "an HDF5 file, such as Keras's .h5 models and weights";
  if (start.size() >= 8 && start.substr(4, 4) == "TFL3") return "a TensorFlow Lite model";
  if (start.size() >= 9 && start[8] == '{' && has(start, "\"data_offsets\"")) return "a safetensors file";
  if (start.starts_with("\x80\x02") || start.starts_with("\x80\x04") || start.starts_with("\x80\x05"))
    return "a Python pickle, which is never loaded";
  if (start.starts_with("\x93NUMPY")) return "an .npy file with one array";
  if (start.starts_with("GGUF")) return "a GGUF file";
  // A protocol buffer has no mark of its own: field 1 of an ONNX model, its version, is a small number.
  if (path.ends_with(".onnx") || (start.size() > 2 && start[0] == '\x08' && start[1] < '\x20' && start[2] == '\x12')) return "an ONNX model";
  if (path.ends_with(".pb")) return "a TensorFlow graph";
  return "";
}

std::string what_to_do(const std::string& path, std::string_view kind) {
  if (kind == "a safetensors file")
    return fmt::format(". If `linn train` or Model::save wrote it, name the directory that it lies in: {}",
                       fs::path(path).parent_path().empty() ? "." : fs::path(path).parent_path().string());
  if (kind.starts_with("a Keras model") || kind.starts_with("an HDF5"))
    return ". In Python, open(\"model.json\", \"w\").write(model.to_json()) writes the network, without its weights";
  return "";
}

// Model directories inside, for who named the folder above.
std::string models_inside(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error))
    if (entry.is_directory(error) && holds_model(entry.path().string())) found.push_back(entry.path().string());
  std::sort(found.begin(), found.end());
  if (found.empty()) return "";
  const std::size_t shown = std::min<std::size_t>(found.size(), 8);
  return fmt::format("; models are in {}{}", fmt::join(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     found.size() > shown ? ", ..." : "");
}

std::string files_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  if (names.empty()) return "it is empty";
  std::string text = "it holds ";
  for (std::size_t i = 0; i < names.size() && i < 6; ++i) text += (i > 0 ? ", " : "") + io::quote(names[i]);
  return names.size() > 6 ? fmt::format("{} and {} more", text, names.size() - 6) : text;
}

}  // namespace

bool holds_model(const std::string& directory) {
  std::error_code error;
  return fs::exists(fs::path(directory) / "model.safetensors", error);
}

bool looks_like_json(const std::string& path) {
  const std::string text = beginning(path);
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  // A byte order mark in front of it is JSON too, which the parser complains about better.
  return text.empty() || text.starts_with("\xef\xbb\xbf") || (at != std::string::npos && (text[at] == '{' || text[at] == '['));
}

void refuse_model(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    const bool saved_model = fs::exists(fs::path(path) / "saved_model.pb", error);
    throw IoError(fmt::format("{}: {}: there is no model.safetensors in it ({}){}; {}", path,
                              saved_model ? "is a TensorFlow SavedModel, not a model of linn's" : "is a directory without a model", files_in(path),
                              models_inside(path), models_read));
  }
  const std::string_view kind = kind_of(path);
  if (kind.empty())
    throw FormatError(fmt::format("{}: is no model: it begins with {}; {}", path, io::quote(beginning(path).substr(0, 8)), models_read));
  throw FormatError(fmt::format("{}: is {}; {}{}", path, kind, models_read, what_to_do(path, kind)));
}

}  // namespace linn::cli
