// Preloaded into a program, lets one of its calls on files fail: of those that concern files whose path holds LINN_FAIL_PATH, the
// LINN_FAIL_CALL-th one ends with errno LINN_FAIL_ERRNO. Calls on descriptors belong to the file that was opened.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<int> calls{0};
std::array<std::atomic<bool>, 4096> watched{};

bool is_watched(const char* path) {
  const char* part = std::getenv("LINN_FAIL_PATH");
  return part != nullptr && path != nullptr && std::strstr(path, part) != nullptr;
}
bool is_watched(int file) { return file >= 0 && file < static_cast<int>(watched.size()) && watched[static_cast<std::size_t>(file)]; }

// Whether this call is the one that fails; errno is set then.
bool fails() {
  const char* number = std::getenv("LINN_FAIL_CALL");
  if (number == nullptr || ++calls != std::atoi(number)) return false;
  const char* error = std::getenv("LINN_FAIL_ERRNO");
  errno = error != nullptr ? std::atoi(error) : EIO;
  return true;
}

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

int opened(const char* path, int flags, mode_t mode, const char* name) {
  if (is_watched(path) && (flags & O_ACCMODE) != O_RDONLY && fails()) return -1;
  const int file = real<int (*)(const char*, int, ...)>(name)(path, flags, mode);
  if (file >= 0 && file < static_cast<int>(watched.size()))
    watched[static_cast<std::size_t>(file)] = is_watched(path) && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_DIRECTORY) != 0);
  return file;
}

mode_t mode_in(int flags, va_list arguments) { return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(arguments, int)) : 0; }

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_in(flags, arguments);
  va_end(arguments);
  return opened(path, flags, mode, "open");
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_in(flags, arguments);
  va_end(arguments);
  return opened(path, flags, mode, "open64");
}
ssize_t write(int file, const void* from, size_t count) {
  if (is_watched(file) && fails()) return -1;
  return real<ssize_t (*)(int, const void*, size_t)>("write")(file, from, count);
}
int fchmod(int file, mode_t mode) {
  if (is_watched(file) && fails()) return -1;
  return real<int (*)(int, mode_t)>("fchmod")(file, mode);
}
int fsync(int file) {
  if (is_watched(file) && fails()) return -1;
  return real<int (*)(int)>("fsync")(file);
}
int close(int file) {
  const bool fail = is_watched(file) && fails();
  const int error = errno;
  if (file >= 0 && file < static_cast<int>(watched.size())) watched[static_cast<std::size_t>(file)] = false;
  const int result = real<int (*)(int)>("close")(file);
  if (!fail) return result;
  errno = error;
  return -1;
}
int rename(const char* from, const char* to) {
  if (is_watched(to) && fails()) return -1;
  return real<int (*)(const char*, const char*)>("rename")(from, to);
}

}  // extern "C"
