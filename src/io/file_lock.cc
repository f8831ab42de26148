#include "io/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "io/file.h"
#include "linn/error.h"

namespace linn::detail::io {
namespace {

// What the file says of who holds it.
std::string holder(int file) {
  // It writes its number just after it has locked the file.
  for (int tries = 0; tries < 100; ++tries) {
    std::array<char, 32> text{};
    const ssize_t got = ::pread(file, text.data(), text.size(), 0);
    const std::string_view number(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    if (number.ends_with('\n')) return fmt::format("process {}", number.substr(0, number.size() - 1));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return "another process";
}

// Whether the path still names the file that is open: the one who held it may have removed it before this process locked it.
bool is_at(int file, const std::string& path) {
  struct stat open_file {}, named {};
  return ::fstat(file, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 && open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

}  // namespace

FileLock::FileLock(std::string path) : path_(std::move(path)) {
  for (;;) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file_ < 0 && errno == EINTR) continue;
    if (file_ < 0) throw IoError(fmt::format("{}: cannot be opened: {}", path_, reason(errno)));
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      const std::string who = holder(file_);
      ::close(file_);
      if (error == EINTR) continue;
      if (error != EWOULDBLOCK) throw IoError(fmt::format("{}: cannot be locked: {}", path_, reason(error)));
      throw StateError(fmt::format("{}: {} is training into this directory; wait for its end, or take another directory", path_, who));
    }
    if (is_at(file_, path_)) break;
    ::close(file_);
  }
  const std::string number = fmt::format("{}\n", ::getpid());
  const bool written = ::ftruncate(file_, 0) == 0 && ::pwrite(file_, number.data(), number.size(), 0) >= 0;
  static_cast<void>(written);  // the number is for messages alone: the lock holds without it
}

FileLock::~FileLock() {
  ::unlink(path_.c_str());
  ::close(file_);
}

}  // namespace linn::detail::io
