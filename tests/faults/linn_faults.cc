// Preloaded into a program (LD_PRELOAD), watches its calls on files whose path holds LINN_FAULT_PATH, and disturbs one of them:
//
//   LINN_FAULT_PATH   part of the path; calls on descriptors belong to the file that was opened. Without it no call is watched
//   LINN_FAULT_CALLS  the names that count, such as "write,fsync"; all where it is missing. Names: open (for writing, or of a directory),
//                     open_read, read, write, fsync (fdatasync too), fchmod, close, rename, unlink, mkdir
//   LINN_FAULT_AT     number of the call that is disturbed, from 1
//   LINN_FAULT_DO     what happens then:
//                       kill       the call is made, then the process gets SIGKILL
//                       kill-half  the same, but a write moves only the first half of its bytes
//                       short      this read or write, and each later one, moves one byte
//                       N          the call fails with errno N
//                       N+         this call and each later one fail with errno N
//   LINN_FAULT_LOG    file to which each counted call adds a line "NUMBER NAME PATH"; a rename's holds the new path, a tabulator and the old one
//   LINN_FAULT_CLOCK  "SECONDS": clocks jump. Each look at the time of day is moved by SECONDS forward or backward, in turn; the steady clock leaps
//                     forward by SECONDS at each tenth look (a machine that slept), and never goes back
//
// A failing call is not made, but for close, which Linux makes whatever it answers. Nothing here takes a lock or memory.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum class Action { nothing, kill, kill_half, shorten, fail };

struct Settings {
  const char* path = std::getenv("LINN_FAULT_PATH");
  const char* calls = std::getenv("LINN_FAULT_CALLS");
  long at = 0;
  Action action = Action::nothing;
  int error = 0;
  bool for_ever = false;
  int log = -1;
  std::int64_t clock_jump = 0;

  Settings() {
    if (const char* text = std::getenv("LINN_FAULT_AT")) at = std::atol(text);
    if (const char* text = std::getenv("LINN_FAULT_CLOCK")) clock_jump = std::atol(text);
    if (const char* text = std::getenv("LINN_FAULT_LOG"))
      log = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (const char* text = std::getenv("LINN_FAULT_DO")) read_action(text);
  }

 private:
  void read_action(const char* text) {
    if (std::strcmp(text, "kill") == 0) {
      action = Action::kill;
    } else if (std::strcmp(text, "kill-half") == 0) {
      action = Action::kill_half;
    } else if (std::strcmp(text, "short") == 0) {
      action = Action::shorten;
      for_ever = true;
    } else {
      action = Action::fail;
      error = std::atoi(text);
      for_ever = std::strchr(text, '+') != nullptr;
      if (error <= 0) ::_exit(97);  // a misspelt action must not look like a program that stood the fault
    }
  }
};

const Settings& settings() {
  static const Settings all;
  return all;
}

// ---- what is watched ------------------------------------------------------------------------------------------------

struct OpenFile {
  std::atomic<bool> watched{false};
  char path[256];
};
std::array<OpenFile, 1024> open_files;
std::atomic<long> calls{0};

bool is_watched(const char* path) {
  const char* part = settings().path;
  return part != nullptr && path != nullptr && std::strstr(path, part) != nullptr;
}

OpenFile* watched_file(int file) {
  if (file < 0 || file >= static_cast<int>(open_files.size())) return nullptr;
  OpenFile& entry = open_files[static_cast<std::size_t>(file)];
  return entry.watched.load() ? &entry : nullptr;
}

void watch(int file, const char* path) {
  if (file < 0 || file >= static_cast<int>(open_files.size())) return;
  OpenFile& entry = open_files[static_cast<std::size_t>(file)];
  if (is_watched(path)) std::snprintf(entry.path, sizeof(entry.path), "%s", path);
  entry.watched = is_watched(path);
}

bool counts(const char* name) {
  const char* list = settings().calls;
  if (list == nullptr) return true;
  const std::size_t length = std::strlen(name);
  for (const char* at = list; (at = std::strstr(at, name)) != nullptr; at += length)
    if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) return true;
  return false;
}

void log_call(long number, const char* name, const char* path) {
  if (settings().log < 0) return;
  std::array<char, 700> line;
  const int length = std::snprintf(line.data(), line.size(), "%ld %s %s\n", number, name, path);
  if (length > 0) ::syscall(SYS_write, settings().log, line.data(), static_cast<std::size_t>(length));
}

[[noreturn]] void die() {
  ::syscall(SYS_kill, ::syscall(SYS_getpid), SIGKILL);
  for (;;) ::syscall(SYS_pause);
}

// What shall happen to this call.
Action action_of(const char* name, const char* path) {
  if (!counts(name)) return Action::nothing;
  const long number = ++calls;
  log_call(number, name, path);
  const Settings& all = settings();
  if (all.at <= 0 || (all.for_ever ? number < all.at : number != all.at)) return Action::nothing;
  return all.action;
}

bool kills(Action action) { return action == Action::kill || action == Action::kill_half; }

// Makes the call, or not, as the action says.
template <class Result, class Call>
Result disturbed(const char* name, const char* path, const Call& call) {
  const Action action = action_of(name, path);
  if (action == Action::fail) {
    errno = settings().error;
    return -1;
  }
  const Result result = call();
  if (kills(action)) die();
  return result;
}

int opened(const char* name, const char* path, int flags, mode_t mode, int directory) {
  const auto call = [&] {
    const int file = static_cast<int>(::syscall(SYS_openat, directory, path, std::strchr(name, '6') != nullptr ? flags | O_LARGEFILE : flags, mode));
    watch(file, path);
    return file;
  };
  if (!is_watched(path)) return call();
  const bool for_reading = (flags & O_ACCMODE) == O_RDONLY && (flags & O_DIRECTORY) == 0;
  return disturbed<int>(for_reading ? "open_read" : "open", path, call);
}

template <class Call>
ssize_t moved(const char* name, int file, std::size_t count, const Call& call) {
  const OpenFile* const watched = watched_file(file);
  if (watched == nullptr) return call(count);
  const Action action = action_of(name, watched->path);
  if (action == Action::fail) {
    errno = settings().error;
    return -1;
  }
  if (action == Action::shorten) return call(count < 1 ? count : 1);
  const ssize_t result = call(action == Action::kill_half ? count / 2 : count);
  if (kills(action)) die();
  return result;
}

mode_t mode_in(int flags, va_list arguments) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(arguments, int)) : 0; }

// ---- clocks -----------------------------------------------------------------------------------------------------------

std::int64_t jump_of_the_day() {
  static std::atomic<long> looks{0};
  return ++looks % 2 == 0 ? settings().clock_jump : -settings().clock_jump;
}

std::int64_t leap_of_the_steady_clock() {
  static std::atomic<long> looks{0};
  return ++looks / 10 * settings().clock_jump;
}

}  // namespace

extern "C" {

#define LINN_OPEN(name, directory_parameter, directory)                          \
  int name(directory_parameter const char* path, int flags, ...) {               \
    va_list arguments;                                                           \
    va_start(arguments, flags);                                                  \
    const mode_t mode = mode_in(flags, arguments);                               \
    va_end(arguments);                                                           \
    return opened(#name, path, flags, mode, directory);                          \
  }
#define LINN_DIRECTORY int directory,
#define LINN_NO_DIRECTORY
LINN_OPEN(open, LINN_NO_DIRECTORY, AT_FDCWD)
LINN_OPEN(open64, LINN_NO_DIRECTORY, AT_FDCWD)
LINN_OPEN(openat, LINN_DIRECTORY, directory)
LINN_OPEN(openat64, LINN_DIRECTORY, directory)
#undef LINN_OPEN

ssize_t read(int file, void* to, size_t count) {
  return moved("read", file, count, [&](std::size_t some) { return static_cast<ssize_t>(::syscall(SYS_read, file, to, some)); });
}
ssize_t __read_chk(int file, void* to, size_t count, size_t /*room*/) { return read(file, to, count); }
ssize_t write(int file, const void* from, size_t count) {
  return moved("write", file, count, [&](std::size_t some) { return static_cast<ssize_t>(::syscall(SYS_write, file, from, some)); });
}
int fsync(int file) {
  const OpenFile* const watched = watched_file(file);
  const auto call = [&] { return static_cast<int>(::syscall(SYS_fsync, file)); };
  return watched == nullptr ? call() : disturbed<int>("fsync", watched->path, call);
}
int fdatasync(int file) { return fsync(file); }
int fchmod(int file, mode_t mode) {
  const OpenFile* const watched = watched_file(file);
  const auto call = [&] { return static_cast<int>(::syscall(SYS_fchmod, file, mode)); };
  return watched == nullptr ? call() : disturbed<int>("fchmod", watched->path, call);
}
int close(int file) {
  OpenFile* const watched = watched_file(file);
  const Action action = watched == nullptr ? Action::nothing : action_of("close", watched->path);
  if (watched != nullptr) watched->watched = false;
  const int result = static_cast<int>(::syscall(SYS_close, file));
  if (kills(action)) die();
  if (action != Action::fail) return result;
  errno = settings().error;
  return -1;
}
int rename(const char* from, const char* to) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to)); };
  if (!is_watched(from) && !is_watched(to)) return call();
  std::array<char, 600> both;
  std::snprintf(both.data(), both.size(), "%s\t%s", to, from);
  return disturbed<int>("rename", both.data(), call);
}
int unlink(const char* path) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0)); };
  return is_watched(path) ? disturbed<int>("unlink", path, call) : call();
}
int mkdir(const char* path, mode_t mode) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode)); };
  return is_watched(path) ? disturbed<int>("mkdir", path, call) : call();
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const int result = static_cast<int>(::syscall(SYS_clock_gettime, clock, now));
  if (result != 0 || settings().clock_jump == 0) return result;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += jump_of_the_day();
  if (clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME) now->tv_sec += leap_of_the_steady_clock();
  return result;
}
int gettimeofday(struct timeval* now, void* /*zone*/) {
  timespec exact{};
  const int result = clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return result;
}
time_t time(time_t* out) {
  timespec exact{};
  clock_gettime(CLOCK_REALTIME, &exact);
  if (out != nullptr) *out = exact.tv_sec;
  return exact.tv_sec;
}

}  // extern "C"
