// Preloaded into a program (LD_PRELOAD), lets its memory run out: the LINN_FAULT_MALLOC-th call for memory, counted from the begin of main, gives none
// ("N"), or that one and each later one ("N+"). LINN_FAULT_LOG names a file that gets the number of all calls when the program ends by itself.
// glibc only: its own functions stand behind.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

std::atomic<long> calls{0};
long fails_at = 0;
bool for_ever = false;

int (*real_main)(int, char**, char**) = nullptr;

// The loader and static objects of libraries are no part of the program's work.
int counted_main(int argc, char** argv, char** environment) {
  if (const char* text = std::getenv("LINN_FAULT_MALLOC")) {
    for_ever = std::strchr(text, '+') != nullptr;
    fails_at = std::atol(text);
  }
  calls = 0;
  return real_main(argc, argv, environment);
}

__attribute__((destructor)) void end() {
  const char* const path = std::getenv("LINN_FAULT_LOG");
  const int log = path != nullptr ? ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
  if (log < 0) return;
  char line[32];
  const int length = std::snprintf(line, sizeof(line), "%ld\n", calls.load());
  if (::write(log, line, static_cast<std::size_t>(length)) < 0) ::_exit(97);
  ::close(log);
}

bool fails() {
  const long number = ++calls;
  if (fails_at <= 0 || (for_ever ? number < fails_at : number != fails_at)) return false;
  errno = ENOMEM;
  return true;
}

}  // namespace

extern "C" {

void* malloc(std::size_t bytes) { return fails() ? nullptr : __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) { return fails() ? nullptr : __libc_calloc(count, bytes); }
void* realloc(void* old, std::size_t bytes) { return fails() ? nullptr : __libc_realloc(old, bytes); }
void* memalign(std::size_t alignment, std::size_t bytes) { return fails() ? nullptr : __libc_memalign(alignment, bytes); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  if (fails()) return ENOMEM;
  void* const got = __libc_memalign(alignment, bytes);
  if (got == nullptr) return ENOMEM;
  *memory = got;
  return 0;
}

int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(), void (*fini)(), void (*loader_fini)(), void* stack_end) {
  using Start = int (*)(int (*)(int, char**, char**), int, char**, void (*)(), void (*)(), void (*)(), void*);
  real_main = main;
  return reinterpret_cast<Start>(::dlsym(RTLD_NEXT, "__libc_start_main"))(counted_main, argc, argv, init, fini, loader_fini, stack_end);
}

}  // extern "C"
