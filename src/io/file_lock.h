// A file that one process at a time may hold. The system takes the lock away from a process that dies.
#pragma once

#include <string>

namespace linn::detail::io {

class FileLock {
 public:
  /// Makes the file if it is missing and writes this process's number into it. StateError, with the number of the process that holds it, IoError.
  explicit FileLock(std::string path);
  /// Removes the file.
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace linn::detail::io
