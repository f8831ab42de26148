#include "formats/file_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "io/bytes.h"
#include "io/file.h"
#include "io/text.h"
#include "linn/error.h"

namespace linn::detail::formats {
namespace {

namespace fs = std::filesystem;

std::string beginning(const std::string& path) {
  const std::vector<std::byte> bytes = io::read_beginning(path, 4096);
  return std::string(io::text_of(bytes));
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool is_zip(std::string_view start) { return start.starts_with("PK\x03\x04") || start.starts_with("PK\x05\x06"); }

// Names are looked for among the first local headers of an archive, which lie within the first bytes as a model's small files come first.
bool is_keras(std::string_view start, const std::string& path) {
  return is_zip(start) && (has(start, "config.json") || has(start, "model.weights.h5") || path.ends_with(".keras"));
}

// A protocol buffer has no mark of its own: field 1 of an ONNX model, its version, is a small number.
bool is_onnx(std::string_view start, const std::string& path) {
  return path.ends_with(".onnx") ||
         (start.size() > 2 && start[0] == '\x08' && start[1] < '\x20' && (start[2] == '\x12' || start[2] == '\x3a'));
}

bool is_json(std::string_view start) {
  const std::size_t at = start.find_first_not_of(" \t\r\n");
  // A byte order mark in front of it is JSON too, which the parser complains about better.
  return start.starts_with("\xef\xbb\xbf") || (at != std::string_view::npos && (start[at] == '{' || start[at] == '['));
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

[[noreturn]] void refuse_directory(const std::string& path) {
  std::error_code error;
  const bool saved_model = fs::exists(fs::path(path) / "saved_model.pb", error);
  throw IoError(fmt::format(
      "{}: {}{}: there is no model.safetensors in it ({}){}", path, holds_checkpoint(path) ? fmt::format("holds a training that was interrupted, `linn train --resume {}` goes on with it; it ", path) : "",
      saved_model ? "is a TensorFlow SavedModel, which linn does not read; model.save(\"model.keras\") in Python writes one that it does"
                  : "is a directory without a model",
      files_in(path), models_inside(path)));
}

}  // namespace

bool holds_model(const std::string& directory) {
  std::error_code error;
  return fs::exists(fs::path(directory) / "model.safetensors", error);
}

bool holds_checkpoint(const std::string& directory) {
  std::error_code error;
  return fs::exists(fs::path(directory) / checkpoint_name, error) || fs::exists(fs::path(directory) / previous_checkpoint_name, error);
}

FileKind kind_of(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) throw IoError(fmt::format("{}: there is no such file or directory", path));
  if (fs::is_directory(path, error)) {
    if (holds_model(path)) return FileKind::model_directory;
    if (fs::exists(fs::path(path) / "config.json", error) && fs::exists(fs::path(path) / "model.weights.h5", error))
      return FileKind::keras_directory;
    refuse_directory(path);
  }
  const std::string text = beginning(path);
  const std::string_view start = text;
  if (is_keras(start, path)) return FileKind::keras;
  if (is_zip(start)) return has(start, ".npy") ? FileKind::npz : FileKind::other;
  if (start.starts_with("\x89HDF\r\n\x1a\n")) return FileKind::hdf5;
  if (start.size() >= 9 && start[8] == '{' && start[7] == '\0') return FileKind::safetensors;
  if (path.ends_with(".weights.json")) return FileKind::shards;
  if (is_onnx(start, path)) return FileKind::onnx;
  return is_json(start) ? FileKind::json : FileKind::other;
}

std::string_view description_of(const std::string& path) {
  switch (kind_of(path)) {
    case FileKind::model_directory: return "a model's directory";
    case FileKind::keras_directory: return "a Keras model, unpacked";
    case FileKind::keras: return "a Keras model (.keras)";
    case FileKind::hdf5: return "an HDF5 file";
    case FileKind::shards: return "a map of Keras weights in shards";
    case FileKind::safetensors: return "a safetensors file";
    case FileKind::onnx: return "an ONNX model";
    case FileKind::npz: return "an .npz file of arrays";
    case FileKind::json: return "a JSON file";
    case FileKind::other: break;
  }
  const std::string start = beginning(path);
  if (is_zip(start) && (has(start, "data.pkl") || path.ends_with(".pt") || path.ends_with(".pth")))
    return "a PyTorch file, a Python pickle, which is never loaded";
  if (is_zip(start)) return "a ZIP archive";
  if (start.size() >= 8 && start.substr(4, 4) == "TFL3") return "a TensorFlow Lite model";
  if (start.starts_with("\x80\x02") || start.starts_with("\x80\x04") || start.starts_with("\x80\x05"))
    return "a Python pickle, which is never loaded";
  if (start.starts_with("\x93NUMPY")) return "an .npy file with one array";
  if (start.starts_with("GGUF")) return "a GGUF file";
  if (path.ends_with(".pb")) return "a TensorFlow graph";
  return "";
}

void refuse(const std::string& path, std::string_view wanted, std::string_view allowed) {
  if (beginning(path).empty()) throw FormatError(fmt::format("{}: is empty; {}", path, allowed));
  const std::string_view kind = description_of(path);
  if (kind.empty())
    throw FormatError(fmt::format("{}: is not {}: it begins with {}; {}", path, wanted, io::quote(beginning(path).substr(0, 8)), allowed));
  throw FormatError(fmt::format("{}: is {}, not {}; {}", path, kind, wanted, allowed));
}

}  // namespace linn::detail::formats
