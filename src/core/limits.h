// How much memory and how many CPUs this process may use: of the machine, and of the control groups that containers live in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace linn::detail::core {

/// Where the kernel says it; tests have files of their own.
struct ControlGroupFiles {
  std::string membership = "/proc/self/cgroup";
  std::string root = "/sys/fs/cgroup";
};

/// The least memory.max (version 2) or memory.limit_in_bytes (version 1) of this process's control group and those above it; nothing where none
/// is set.
std::optional<std::uint64_t> control_group_memory(const ControlGroupFiles& files = {});
/// The CPU time that they allow in CPUs, by cpu.max or cpu.cfs_quota_us; nothing where none is set.
std::optional<double> control_group_cpus(const ControlGroupFiles& files = {});

struct MemoryLimit {
  std::uint64_t bytes;
  const char* what;  // "the machine", "the control group", "RLIMIT_AS"
};
/// The least of the machine's memory, the control group's and the address space that the process may have (ulimit -v); the largest number and
/// "nothing known" where the system says none.
MemoryLimit memory_limit(const ControlGroupFiles& files = {});

/// Bytes of address space that the process has now; nothing where the system does not say.
std::optional<std::uint64_t> address_space_in_use();

/// "812 MiB", "1.4 GiB", "960 bytes".
std::string bytes_text(std::int64_t bytes);

}  // namespace linn::detail::core
