// Whole files, read without trust and written so that a failure at any instant leaves the old file or the new one.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/memory.h"

namespace linn::detail::io {

/// The calls to the operating system that this folder makes, in one table, so that tests can let the n-th of them fail.
/// Each behaves as its namesake: -1 and errno on failure.
class Syscalls {
 public:
  virtual ~Syscalls() = default;
  virtual int open(const char* path, int flags, mode_t mode);
  virtual int fstat(int file, struct stat* status);
  virtual ssize_t read(int file, void* to, std::size_t count);
  virtual ssize_t write(int file, const void* from, std::size_t count);
  virtual int fchmod(int file, mode_t mode);
  virtual int fsync(int file);
  virtual int close(int file);
  virtual int rename(const char* from, const char* to);
  virtual int unlink(const char* path);

  /// The real ones.
  static Syscalls& real();
};

/// What the operating system says of an error number (errno).
std::string reason(int error);

inline constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

/// Bytes of memory that this process may have (core::memory_limit); no_limit where the system does not say.
std::uint64_t machine_memory();

/// All bytes of a regular file (symbolic links are followed). Read, not mapped: a file that shrinks meanwhile is an error,
/// not a SIGBUS. Throws IoError for what cannot be opened or read, is no regular file (a FIFO does not block), changes
/// while it is read or holds more than `limit` bytes, and MemoryError for more bytes than this machine has memory.
core::Bytes read_file(const std::string& path, std::uint64_t limit = no_limit, Syscalls& system = Syscalls::real());

/// The first `count` bytes of a regular file, or all where it has fewer. IoError as `read_file`.
std::vector<std::byte> read_beginning(const std::string& path, std::size_t count, Syscalls& system = Syscalls::real());

/// A file that appears under its name only when complete: written to a temporary file in the same directory, which
/// `commit` syncs, renames over `path` and makes durable by syncing the directory. Until then, and after any error, the old
/// file is as it was, and the temporary file is removed. A symbolic link is followed, its target replaced; the mode of an
/// old file is kept. Every error is an IoError that names path and reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path, Syscalls& system = Syscalls::real());
  /// Without `commit` nothing happened.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// If only the sync of the directory fails, the new file is in place and the IoError says that it might not outlive
  /// a power failure; the old file could not be brought back then.
  void commit();

 private:
  [[noreturn]] void fail(const char* doing);
  void close_and_remove();

  Syscalls& system_;
  std::string path_;       // as the caller gave it, for messages
  std::string target_;     // what is replaced: path_ with symbolic links followed
  std::string temporary_;  // empty once it is renamed or removed
  int file_ = -1;
};

void write_file_atomically(const std::string& path, std::span<const std::byte> bytes, Syscalls& system = Syscalls::real());

/// Takes the place of what `to` names. IoError names the path and the reason.
void rename_file(const std::string& from, const std::string& to, Syscalls& system = Syscalls::real());
/// Nothing where there is none. IoError names the path and the reason.
void remove_file(const std::string& path, Syscalls& system = Syscalls::real());

/// IoError where the file system of `path`, a file that is to be written, has less than `bytes` left for it. Nothing where it does not say.
void check_free_space(const std::string& path, std::uint64_t bytes);

/// The directory and those above it, where they are missing. IoError names the path and the reason.
void make_directories(const std::string& path);

/// Where writers of containers put their bytes, in order.
using Sink = std::function<void(std::span<const std::byte>)>;

/// A file whose bytes `write` puts into the sink, by AtomicFile: nothing happened if `write` throws.
void write_file_in_parts(const std::string& path, const std::function<void(const Sink&)>& write);

}  // namespace linn::detail::io
