#include "train/checkpoint.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/terminal.h"
#include "formats/file_kind.h"
#include "formats/safetensors_model.h"
#include "io/file.h"
#include "linn/error.h"

namespace linn::detail::train {
namespace {

namespace fs = std::filesystem;

bool is_there(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

formats::ModelFile read_one(const std::string& path) { return formats::read_safetensors_model(io::read_file(path), path); }

}  // namespace

std::string checkpoint_path(const std::string& directory) { return (fs::path(directory) / formats::checkpoint_name).string(); }
std::string previous_checkpoint_path(const std::string& directory) { return (fs::path(directory) / formats::previous_checkpoint_name).string(); }

std::string lock_path(const std::string& directory) { return (fs::path(directory) / "training.lock").string(); }

bool has_checkpoint(const std::string& directory) { return formats::holds_checkpoint(directory); }

void write_checkpoint(const std::string& directory, const formats::SavedModel& model) {
  io::make_directories(directory);
  const std::string path = checkpoint_path(directory);
  if (is_there(path)) io::rename_file(path, previous_checkpoint_path(directory));
  formats::write_safetensors_model(path, model);
}

void remove_unfinished_files(const std::string& directory) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(std::string(formats::checkpoint_name) + ".") && name.ends_with(".tmp")) io::remove_file(entry.path().string());
  }
}

void remove_checkpoints(const std::string& directory) {
  // The last one goes last: a process that is killed between them goes on from there.
  for (const std::string& path : {previous_checkpoint_path(directory), checkpoint_path(directory)}) io::remove_file(path);
}

Checkpoint read_checkpoint(const std::string& path) {
  if (!fs::is_directory(path)) return {path, read_one(path)};
  const std::string last = checkpoint_path(path), previous = previous_checkpoint_path(path);
  if (!has_checkpoint(path)) throw IoError(fmt::format("{}: there is no checkpoint (checkpoint.safetensors) to go on from", path));
  if (!is_there(last)) {
    core::say_of_file(last, "is missing, as after an interrupted save; the checkpoint before it is used");
    return {previous, read_one(previous)};
  }
  try {
    return {last, read_one(last)};
  } catch (const FormatError& error) {
    if (!is_there(previous)) throw;
    core::say_of_file(last, fmt::format("is damaged ({}); the checkpoint before it is used", error.what()));
  }
  return {previous, read_one(previous)};
}

}  // namespace linn::detail::train
