#include "core/thread_count.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "linn/error.h"

namespace linn::detail::core {

int default_threads() {
  if (const char* text = std::getenv("LINN_THREADS"); text != nullptr && *text != '\0') {
    int threads = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, threads);
    if (error != std::errc{} || stop != end) throw ValueError(fmt::format("LINN_THREADS is \"{}\"; it must be a number from 1 to 1024", text));
    check_threads(threads, "LINN_THREADS");
    return threads;
  }
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::clamp(CPU_COUNT(&allowed), 1, 1024);
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 1024);
}

void check_threads(int threads, const char* what) {
  if (threads < 1 || threads > 1024) throw ValueError(fmt::format("{} is {}; it must be a number from 1 to 1024", what, threads));
}

}  // namespace linn::detail::core
