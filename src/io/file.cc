#include "io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "core/limits.h"
#include "linn/error.h"

namespace linn::detail::io {

std::string reason(int error) { return std::generic_category().message(error); }

namespace {

// One call moves at most this much; Linux itself stops at 2 GiB.
constexpr std::size_t largest_transfer = std::size_t{1} << 30;

int open_again(Syscalls& system, const char* path, int flags, mode_t mode) {
  int file;
  do {
    file = system.open(path, flags, mode);
  } while (file < 0 && errno == EINTR);
  return file;
}

// Closes what was opened for reading; a failure there cannot lose anything.
class Closer {
 public:
  Closer(Syscalls& system, int file) : system_(system), file_(file) {}
  ~Closer() { system_.close(file_); }
  int file() const { return file_; }
  Closer(const Closer&) = delete;
  Closer& operator=(const Closer&) = delete;

 private:
  Syscalls& system_;
  int file_;
};

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "no regular file";
}

bool same_state(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

int Syscalls::open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
int Syscalls::fstat(int file, struct stat* status) { return ::fstat(file, status); }
ssize_t Syscalls::read(int file, void* to, std::size_t count) { return ::read(file, to, count); }
ssize_t Syscalls::write(int file, const void* from, std::size_t count) { return ::write(file, from, count); }
int Syscalls::fchmod(int file, mode_t mode) { return ::fchmod(file, mode); }
int Syscalls::fsync(int file) { return ::fsync(file); }
int Syscalls::close(int file) { return ::close(file); }
int Syscalls::rename(const char* from, const char* to) { return ::rename(from, to); }
int Syscalls::unlink(const char* path) { return ::unlink(path); }

Syscalls& Syscalls::real() {
  static Syscalls system;
  return system;
}

std::uint64_t machine_memory() {
  static const std::uint64_t bytes = core::memory_limit().bytes;  // asked for each element of a data set that is kept
  return bytes;
}

namespace {

// The descriptor of a file to be read.
int open_to_read(const std::string& path, Syscalls& system) {
  // O_NONBLOCK: opening a FIFO that nobody writes must not hang. It means nothing for regular files.
  const int file = open_again(system, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  if (file < 0) throw IoError(fmt::format("{}: cannot be opened: {}", path, reason(errno)));
  return file;
}

struct stat regular_file(int file, const std::string& path, Syscalls& system) {
  struct stat status {};
  if (system.fstat(file, &status) != 0) throw IoError(fmt::format("{}: cannot be examined: {}", path, reason(errno)));
  if (!S_ISREG(status.st_mode)) throw IoError(fmt::format("{}: is {}; only regular files are read", path, kind_of(status.st_mode)));
  return status;
}

}  // namespace

std::vector<std::byte> read_beginning(const std::string& path, std::size_t count, Syscalls& system) {
  const Closer closer(system, open_to_read(path, system));
  regular_file(closer.file(), path, system);
  std::vector<std::byte> bytes(count);
  std::size_t have = 0;
  while (have < count) {
    const ssize_t got = system.read(closer.file(), bytes.data() + have, count - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw IoError(fmt::format("{}: cannot be read at offset {}: {}", path, have, reason(errno)));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

core::Bytes read_file(const std::string& path, std::uint64_t limit, Syscalls& system) {
  const Closer closer(system, open_to_read(path, system));
  const int file = closer.file();
  const struct stat before = regular_file(file, path, system);
  const auto size = static_cast<std::uint64_t>(before.st_size);
  if (size > limit) throw IoError(fmt::format("{}: has {} bytes; at most {} are allowed here", path, size, limit));
  const std::uint64_t memory = machine_memory();
  if (size > memory)
    throw MemoryError(fmt::format("{}: has {} bytes, which are read into memory; {} are there", path, size, memory));

  core::Bytes bytes;
  try {
    bytes.resize(static_cast<std::size_t>(size));
  } catch (const std::bad_alloc&) {
    throw MemoryError(fmt::format("{}: has {} bytes, for which there is not enough memory", path, size));
  }
  // One byte more is asked for at the end: the file may have grown, and files of /proc call themselves empty.
  std::size_t have = 0;
  std::byte extra{};
  for (;;) {
    const bool full = have == bytes.size();
    const ssize_t got = full ? system.read(file, &extra, 1)
                             : system.read(file, bytes.data() + have, std::min(bytes.size() - have, largest_transfer));
    if (got < 0) {
      if (errno == EINTR) continue;
      throw IoError(fmt::format("{}: cannot be read at offset {}: {}", path, have, reason(errno)));
    }
    if (got == 0) break;
    if (full) throw IoError(fmt::format("{}: changed while it was read: it has more than its {} bytes", path, size));
    have += static_cast<std::size_t>(got);
  }
  if (have != bytes.size())
    throw IoError(fmt::format("{}: changed while it was read: it ended at {} of {} bytes", path, have, size));
  struct stat after {};
  if (system.fstat(file, &after) != 0) throw IoError(fmt::format("{}: cannot be examined: {}", path, reason(errno)));
  if (!same_state(before, after)) throw IoError(fmt::format("{}: changed while it was read", path));
  return bytes;
}

AtomicFile::AtomicFile(std::string path, Syscalls& system) : system_(system), path_(std::move(path)), target_(path_) {
  if (path_.empty()) throw IoError("a file cannot be written: its name is empty");
  mode_t mode = 0;
  struct stat old {};
  if (::lstat(path_.c_str(), &old) == 0) {
    if (S_ISLNK(old.st_mode)) {
      // The link stays, the file it names is replaced.
      const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path_.c_str(), nullptr), &std::free);
      if (real == nullptr || ::stat(real.get(), &old) != 0)
        throw IoError(fmt::format("{}: cannot be written: the symbolic link leads nowhere ({})", path_, reason(errno)));
      target_ = real.get();
    }
    if (!S_ISREG(old.st_mode)) throw IoError(fmt::format("{}: cannot be written: it is {}", path_, kind_of(old.st_mode)));
    mode = old.st_mode & 07777;
  }

  // The number makes names of one process differ, the process id those of several; a file left behind by a killed
  // process with the same id is stepped over.
  static std::atomic<unsigned> counter{0};
  for (int tries = 0; file_ < 0; ++tries) {
    temporary_ = fmt::format("{}.{}.{}.tmp", target_, ::getpid(), counter.fetch_add(1));
    file_ = open_again(system_, temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file_ < 0 && (errno != EEXIST || tries == 100)) {
      const int error = errno;
      temporary_.clear();
      throw IoError(fmt::format("{}: cannot be written: a temporary file beside it cannot be created: {}", path_, reason(error)));
    }
  }
  if (mode != 0 && system_.fchmod(file_, mode) != 0) fail("its mode cannot be set");
}

AtomicFile::~AtomicFile() { close_and_remove(); }

void AtomicFile::close_and_remove() {
  if (file_ >= 0) system_.close(std::exchange(file_, -1));
  if (!temporary_.empty()) system_.unlink(std::exchange(temporary_, {}).c_str());
}

void AtomicFile::fail(const char* doing) {
  const int error = errno;
  close_and_remove();
  throw IoError(fmt::format("{}: cannot be written: {}: {}; what was there before is unchanged", path_, doing, reason(error)));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (file_ < 0) throw IoError(fmt::format("{}: cannot be written: an earlier step failed or the file is complete", path_));
  while (!bytes.empty()) {
    const ssize_t done = system_.write(file_, bytes.data(), std::min(bytes.size(), largest_transfer));
    if (done < 0) {
      if (errno == EINTR) continue;
      fail("writing failed");
    }
    // No byte and no error: some file systems do so when they are full. Asking again could go on for ever.
    if (done == 0) {
      errno = ENOSPC;
      fail("writing failed");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

void AtomicFile::commit() {
  if (file_ < 0) throw IoError(fmt::format("{}: cannot be written: an earlier step failed or the file is complete", path_));
  // After a failed fsync the kernel may have dropped the pages and report success the next time: it is never repeated.
  int result;
  do {
    result = system_.fsync(file_);
  } while (result != 0 && errno == EINTR);
  if (result != 0) fail("syncing failed");
  // Linux closes the file even when close is interrupted, and the bytes are on the disk already.
  if (system_.close(std::exchange(file_, -1)) != 0 && errno != EINTR) fail("closing failed");
  if (system_.rename(temporary_.c_str(), target_.c_str()) != 0) fail("renaming failed");
  temporary_.clear();

  const int directory = open_again(system_, directory_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  int error = directory < 0 ? errno : 0;
  if (directory >= 0) {
    do {
      result = system_.fsync(directory);
    } while (result != 0 && errno == EINTR);
    // Some file systems cannot sync a directory and say EINVAL; there is nothing more to be done on them.
    if (result != 0 && errno != EINVAL) error = errno;
    system_.close(directory);
  }
  if (error != 0)
    throw IoError(fmt::format("{}: is written, but its directory cannot be synced: {}; it might not outlive a power failure",
                              path_, reason(error)));
}

void write_file_atomically(const std::string& path, std::span<const std::byte> bytes, Syscalls& system) {
  AtomicFile file(path, system);
  file.write(bytes);
  file.commit();
}

void write_file_in_parts(const std::string& path, const std::function<void(const Sink&)>& write) {
  AtomicFile file(path);
  write([&](std::span<const std::byte> part) { file.write(part); });
  file.commit();
}

void rename_file(const std::string& from, const std::string& to, Syscalls& system) {
  if (system.rename(from.c_str(), to.c_str()) != 0) throw IoError(fmt::format("{}: cannot be renamed to {}: {}", from, to, reason(errno)));
}

void remove_file(const std::string& path, Syscalls& system) {
  if (system.unlink(path.c_str()) != 0 && errno != ENOENT) throw IoError(fmt::format("{}: cannot be removed: {}", path, reason(errno)));
}

void check_free_space(const std::string& path, std::uint64_t bytes) {
  struct statvfs status {};
  if (::statvfs(directory_of(path).c_str(), &status) != 0) return;
  const std::uint64_t left = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  if (status.f_blocks == 0 || left >= bytes) return;  // some file systems have no blocks to count
  throw IoError(fmt::format("{}: cannot be written: it takes {} bytes, and {} are left on the disk; what was there before is unchanged", path, bytes, left));
}

void make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw IoError(fmt::format("{}: cannot make the directory: {}", path, error.message()));
}

}  // namespace linn::detail::io
