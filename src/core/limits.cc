#include "core/limits.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <limits>
#include <string_view>
#include <vector>

namespace linn::detail::core {
namespace {

std::optional<std::string> line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) return std::nullopt;
  return line;
}

// The number that a text begins with; nothing for "max".
std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

struct ControlGroup {
  std::string root;  // folder of the hierarchy
  std::string path;  // of this process's group below it, "/" or "/a/b"
  bool is_first_version = false;
};

bool has_controller(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (list.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

// A line is "0::/path" (version 2) or "4:cpu,cpuacct:/path" (version 1, where each controller has a folder of its own).
std::vector<ControlGroup> groups_of(const ControlGroupFiles& files, std::string_view controller) {
  std::vector<ControlGroup> groups;
  std::ifstream file(files.membership);
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (controllers.empty())
      groups.push_back({files.root, line.substr(second + 1)});
    else if (has_controller(controllers, controller))
      groups.push_back({files.root + "/" + std::string(controller), line.substr(second + 1), true});
  }
  return groups;
}

// The least that `limit(folder)` gives for the group and those above it. Within a container the path may be that of the host, of which only the root
// is seen: then the folders below it are not there.
template <class T, class Limit>
std::optional<T> least_of(const ControlGroup& group, const Limit& limit) {
  std::optional<T> least;
  std::string path = group.path == "/" ? "" : group.path;
  for (;;) {
    if (const std::optional<T> here = limit(group.root + path)) least = least ? std::min(*least, *here) : *here;
    if (path.empty()) return least;
    path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

template <class T, class First, class Second>
std::optional<T> least_of_groups(const ControlGroupFiles& files, std::string_view controller, const First& first_version, const Second& second_version) {
  std::optional<T> least;
  for (const ControlGroup& group : groups_of(files, controller)) {
    const std::optional<T> here = group.is_first_version ? least_of<T>(group, first_version) : least_of<T>(group, second_version);
    if (here) least = least ? std::min(*least, *here) : *here;
  }
  return least;
}

std::optional<std::uint64_t> machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page <= 0) return std::nullopt;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
}

}  // namespace

std::optional<std::uint64_t> control_group_memory(const ControlGroupFiles& files) {
  constexpr std::uint64_t unlimited = std::uint64_t{1} << 62;  // version 1 says so with the largest multiple of a page
  const auto limit_in = [](const char* name) {
    return [name](const std::string& folder) -> std::optional<std::uint64_t> {
      const std::optional<std::string> line = line_of(folder + "/" + name);
      const std::optional<std::uint64_t> bytes = line ? number_in(*line) : std::nullopt;
      return bytes && *bytes > 0 && *bytes < unlimited ? bytes : std::nullopt;
    };
  };
  return least_of_groups<std::uint64_t>(files, "memory", limit_in("memory.limit_in_bytes"), limit_in("memory.max"));
}

std::optional<double> control_group_cpus(const ControlGroupFiles& files) {
  const auto share = [](std::optional<std::uint64_t> quota, std::optional<std::uint64_t> period) -> std::optional<double> {
    if (!quota || !period || *quota == 0 || *period == 0) return std::nullopt;
    return static_cast<double>(*quota) / static_cast<double>(*period);
  };
  const auto first_version = [&](const std::string& folder) -> std::optional<double> {
    const auto quota = line_of(folder + "/cpu.cfs_quota_us"), period = line_of(folder + "/cpu.cfs_period_us");
    return quota && period ? share(number_in(*quota), number_in(*period)) : std::nullopt;  // -1 is no number here
  };
  const auto second_version = [&](const std::string& folder) -> std::optional<double> {
    const std::optional<std::string> line = line_of(folder + "/cpu.max");  // "200000 100000", or "max 100000"
    const std::size_t space = line ? line->find(' ') : std::string::npos;
    return space == std::string::npos ? std::nullopt : share(number_in(*line), number_in(std::string_view(*line).substr(space + 1)));
  };
  return least_of_groups<double>(files, "cpu", first_version, second_version);
}

MemoryLimit memory_limit(const ControlGroupFiles& files) {
  MemoryLimit limit{std::numeric_limits<std::uint64_t>::max(), "nothing known"};
  const auto take = [&](std::optional<std::uint64_t> bytes, const char* what) {
    if (bytes && *bytes < limit.bytes) limit = {*bytes, what};
  };
  take(machine_memory(), "the machine");
  take(control_group_memory(files), "the control group");
  ::rlimit space{};
  if (::getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) take(std::uint64_t{space.rlim_cur}, "RLIMIT_AS");
  return limit;
}

std::optional<std::uint64_t> address_space_in_use() {
  const std::optional<std::string> line = line_of("/proc/self/statm");
  const std::optional<std::uint64_t> pages = line ? number_in(*line) : std::nullopt;
  const long page = ::sysconf(_SC_PAGESIZE);
  if (!pages || page <= 0) return std::nullopt;
  return *pages * static_cast<std::uint64_t>(page);
}

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= 1024 && unit + 1 < std::size(units); ++unit) number /= 1024;
  return unit == 0 || number >= 100 ? fmt::format("{:.0f} {}", number, units[unit]) : fmt::format("{:.1f} {}", number, units[unit]);
}

}  // namespace linn::detail::core
