#include "core/thread_count.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
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
  return usable_cpus();
}

int usable_cpus(const ControlGroupFiles& files) {
  cpu_set_t allowed;
  int cpus = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : static_cast<int>(std::thread::hardware_concurrency());
  // Of one and a half CPUs two threads make more than one does.
  if (const std::optional<double> quota = control_group_cpus(files)) cpus = static_cast<int>(std::min<double>(cpus, std::ceil(*quota)));
  return std::clamp(cpus, 1, 1024);
}

void check_threads(int threads, const char* what) {
  if (threads < 1 || threads > 1024) throw ValueError(fmt::format("{} is {}; it must be a number from 1 to 1024", what, threads));
}

}  // namespace linn::detail::core
