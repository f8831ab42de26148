// Memory and CPUs that control groups leave to a process, read from files such as the kernel's.
#include "core/limits.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/thread_count.h"
#include "io/test_files.h"

namespace linn::detail::core {
namespace {

namespace fs = std::filesystem;

class Limits : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  ControlGroupFiles files() const { return {.membership = folder_ / "cgroup", .root = folder_ / "fs"}; }

  test::TempDir temporary_;
  fs::path folder_ = temporary_.path();
};

TEST_F(Limits, VersionTwoTakesTheLeastOfAllGroupsAbove) {
  put("cgroup", "0::/user.slice/job\n");
  put("fs/memory.max", "max\n");
  put("fs/user.slice/memory.max", "1073741824\n");
  put("fs/user.slice/job/memory.max", "4294967296\n");
  put("fs/user.slice/cpu.max", "150000 100000\n");
  put("fs/user.slice/job/cpu.max", "max 100000\n");
  EXPECT_EQ(control_group_memory(files()), std::uint64_t{1} << 30);
  EXPECT_EQ(control_group_cpus(files()), 1.5);
  EXPECT_LE(usable_cpus(files()), 2);
  EXPECT_LE(memory_limit(files()).bytes, std::uint64_t{1} << 30);
}

TEST_F(Limits, VersionTwoInAContainer) {
  put("cgroup", "0::/\n");
  put("fs/memory.max", "536870912\n");
  put("fs/cpu.max", "50000 100000\n");
  const MemoryLimit limit = memory_limit(files());
  EXPECT_EQ(limit.bytes, 536870912U);
  EXPECT_STREQ(limit.what, "the control group");
  EXPECT_EQ(usable_cpus(files()), 1) << "half a CPU is one thread";
}

TEST_F(Limits, VersionOneHasAFolderForEachController) {
  put("cgroup", "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n");
  put("fs/memory/memory.limit_in_bytes", "268435456\n");  // the container sees its own group as the root
  put("fs/memory/docker/memory.limit_in_bytes", "9223372036854771712\n");  // no limit
  put("fs/cpu/docker/abc/cpu.cfs_quota_us", "200000\n");
  put("fs/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
  put("fs/cpu/cpu.cfs_quota_us", "-1\n");
  put("fs/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(control_group_memory(files()), 268435456U);
  EXPECT_EQ(control_group_cpus(files()), 2.0);
}

TEST_F(Limits, NothingIsSetOrNothingIsKnown) {
  EXPECT_EQ(control_group_memory(files()), std::nullopt) << "no such file";
  put("cgroup", "0::/\nno line of these\n0:\n");
  put("fs/memory.max", "max\n");
  put("fs/cpu.max", "nonsense\n");
  EXPECT_EQ(control_group_memory(files()), std::nullopt);
  EXPECT_EQ(control_group_cpus(files()), std::nullopt);
  EXPECT_GE(usable_cpus(files()), 1);
  EXPECT_GT(memory_limit(files()).bytes, std::uint64_t{1} << 20) << "the machine's";
}

TEST(BytesText, HasThreeDigits) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(1023), "1023 bytes");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(std::int64_t{812} << 20), "812 MiB");
  EXPECT_EQ(bytes_text(std::int64_t{3} << 40), "3.0 TiB");
}

}  // namespace
}  // namespace linn::detail::core
