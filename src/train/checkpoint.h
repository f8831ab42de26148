// Checkpoints in a directory: the last one, and the one before it, so that one of them is whole at every instant.
#pragma once

#include <string>

#include "formats/model_file.h"

namespace linn::detail::train {

/// "checkpoint.safetensors" in it, and "checkpoint.previous.safetensors".
std::string checkpoint_path(const std::string& directory);
std::string previous_checkpoint_path(const std::string& directory);

/// "training.lock" in it, which the process that trains into the directory holds (io/file_lock.h).
std::string lock_path(const std::string& directory);

bool has_checkpoint(const std::string& directory);
/// Makes the directory if needed. Throws IoError; then there is at least the checkpoint that was there before.
void write_checkpoint(const std::string& directory, const formats::SavedModel& model);
/// Removes what a process that was killed in the middle of a save left beside them: for the one who holds the directory's lock.
void remove_unfinished_files(const std::string& directory);
/// Removes both.
void remove_checkpoints(const std::string& directory);

struct Checkpoint {
  std::string path;
  formats::ModelFile file;
};
/// The last one in a directory, or, where that is damaged or missing, the one before it, which is said on standard error; or the file itself.
/// IoError where there is none, FormatError where none is whole.
Checkpoint read_checkpoint(const std::string& path);

}  // namespace linn::detail::train
