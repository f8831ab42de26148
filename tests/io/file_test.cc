#include "io/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <system_error>

#include "io/test_files.h"

namespace linn::detail::io {
namespace {

using test::bytes;
using test::expect_error;
using test::slurp;
using test::spill;
using test::TempDir;

core::Bytes file_bytes(std::string_view text) {
  const auto all = std::as_bytes(std::span(text));
  return {all.begin(), all.end()};
}

TEST(ReadFile, ReadsWhatIsThere) {
  const TempDir dir;
  spill(dir / "a", bytes("some bytes"));
  spill(dir / "empty", {});
  EXPECT_EQ(read_file(dir / "a"), file_bytes("some bytes"));
  EXPECT_TRUE(read_file(dir / "empty").empty());
  ASSERT_EQ(::symlink("a", (dir / "link").c_str()), 0);
  EXPECT_EQ(read_file(dir / "link"), file_bytes("some bytes"));
}

TEST(ReadFile, RefusesWhatIsNoRegularFile) {
  const TempDir dir;
  expect_error<IoError>([&] { read_file(dir / "missing"); }, {dir / "missing", "No such file"});
  expect_error<IoError>([&] { read_file(dir.path()); }, {dir.path(), "a directory"});
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  expect_error<IoError>([&] { read_file(dir / "fifo"); }, {"a pipe"});  // and does not wait for a writer
  expect_error<IoError>([&] { read_file("/dev/zero"); }, {"/dev/zero", "a device"});
  // A file that calls itself empty and is not.
  expect_error<IoError>([&] { read_file("/proc/self/status"); }, {"/proc/self/status", "changed"});
}

TEST(ReadFile, LimitIsSaid) {
  const TempDir dir;
  spill(dir / "a", bytes("12345"));
  EXPECT_EQ(read_file(dir / "a", 5).size(), 5u);
  expect_error<IoError>([&] { read_file(dir / "a", 4); }, {"has 5 bytes", "at most 4"});
}

TEST(ReadFile, LargerThanTheMachineIsRefusedAtOnce) {
  const TempDir dir;
  const int file = ::open((dir / "sparse").c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_GE(file, 0);
  const bool made = ::ftruncate(file, off_t{1} << 43) == 0;  // 8 TiB, no block of it on the disk
  ::close(file);
  if (!made) GTEST_SKIP() << "this file system has no files of 8 TiB";
  expect_error<MemoryError>([&] { read_file(dir / "sparse"); }, {"8796093022208", "memory"});
}

// The n-th call fails with an error, or does less than asked, and the rest are real.
class Faulty : public Syscalls {
 public:
  enum class Kind { error, error_for_ever, short_count };
  Faulty(int nth, int error, Kind kind) : nth_(nth), error_(error), kind_(kind) {}

  int open(const char* path, int flags, mode_t mode) override {
    if (due("open")) return -1;
    const int file = Syscalls::open(path, flags, mode);
    open_files_ += file >= 0;
    return file;
  }
  int fstat(int file, struct stat* status) override { return due("fstat") ? -1 : Syscalls::fstat(file, status); }
  ssize_t read(int file, void* to, std::size_t count) override {
    if (due("read")) return -1;
    return Syscalls::read(file, to, shortened() ? std::min<std::size_t>(count, 1) : count);
  }
  ssize_t write(int file, const void* from, std::size_t count) override {
    if (due("write")) return -1;
    return Syscalls::write(file, from, shortened() ? std::min<std::size_t>(count, 1) : count);
  }
  int fchmod(int file, mode_t mode) override { return due("fchmod") ? -1 : Syscalls::fchmod(file, mode); }
  int fsync(int file) override { return due("fsync") ? -1 : Syscalls::fsync(file); }
  int close(int file) override {
    // Linux closes the file whatever it answers.
    const int result = Syscalls::close(file);
    --open_files_;
    return due("close") ? -1 : result;
  }
  int rename(const char* from, const char* to) override {
    if (due("rename")) return -1;
    const int result = Syscalls::rename(from, to);
    renamed_ = renamed_ || result == 0;
    return result;
  }

  bool fired() const { return fired_; }
  bool renamed() const { return renamed_; }
  int open_files() const { return open_files_; }
  const std::string& failed_call() const { return failed_call_; }

 private:
  bool due(const char* name) {
    ++calls_;
    const bool now = kind_ == Kind::error_for_ever ? calls_ >= nth_ : calls_ == nth_;
    if (now && !fired_) failed_call_ = name;
    fired_ = fired_ || now;
    if (!now || kind_ == Kind::short_count) return false;
    errno = error_;
    return true;
  }
  bool shortened() const { return kind_ == Kind::short_count && calls_ >= nth_; }

  int nth_;
  int error_;
  Kind kind_;
  int calls_ = 0;
  int open_files_ = 0;
  bool fired_ = false;
  bool renamed_ = false;
  std::string failed_call_;
};

TEST(ReadFile, EveryFailingCallIsAnIoError) {
  const TempDir dir;
  spill(dir / "a", bytes("some bytes"));
  for (const int error : {EIO, EACCES}) {
    int n = 1;
    for (;; ++n) {
      ASSERT_LT(n, 50);
      Faulty system(n, error, Faulty::Kind::error);
      try {
        EXPECT_EQ(read_file(dir / "a", no_limit, system), file_bytes("some bytes"));
        // Only a failing close is no failure of reading.
        if (!system.fired()) break;
        EXPECT_EQ(system.failed_call(), "close");
      } catch (const IoError& failure) {
        EXPECT_THAT(failure.what(), testing::HasSubstr(dir / "a"));
        EXPECT_THAT(failure.what(), testing::HasSubstr(std::generic_category().message(error)));
      }
      EXPECT_EQ(system.open_files(), 0);
    }
    EXPECT_EQ(n, 7);  // open, fstat, read, read at the end, fstat, close
  }
}

TEST(ReadFile, InterruptionsAndShortReadsAreNoFailure) {
  const TempDir dir;
  spill(dir / "a", bytes("some bytes"));
  for (int n = 1; n < 16; ++n) {
    Faulty interrupted(n, EINTR, Faulty::Kind::error);
    // fstat is never interrupted, whatever this table pretends.
    try {
      EXPECT_EQ(read_file(dir / "a", no_limit, interrupted), file_bytes("some bytes"));
    } catch (const IoError&) {
      EXPECT_EQ(interrupted.failed_call(), "fstat");
    }
    Faulty shortened(n, 0, Faulty::Kind::short_count);
    EXPECT_EQ(read_file(dir / "a", no_limit, shortened), file_bytes("some bytes"));
  }
}

class Changing : public Syscalls {
 public:
  Changing(std::string path, int grow) : path_(std::move(path)), grow_(grow) {}
  ssize_t read(int file, void* to, std::size_t count) override {
    if (!done_) {
      done_ = true;
      if (grow_ != 0) {
        const auto size = static_cast<off_t>(std::filesystem::file_size(path_));
        if (::truncate(path_.c_str(), size + grow_) != 0) throw std::runtime_error("truncate");
      } else {
        std::filesystem::last_write_time(path_, std::filesystem::last_write_time(path_) + std::chrono::seconds(3));
      }
    }
    return Syscalls::read(file, to, count);
  }

 private:
  std::string path_;
  int grow_;
  bool done_ = false;
};

TEST(ReadFile, SeesThatTheFileChanges) {
  const TempDir dir;
  for (const int grow : {-4, -10, 5, 0}) {
    spill(dir / "a", bytes("some bytes"));
    Changing system(dir / "a", grow);
    expect_error<IoError>([&] { read_file(dir / "a", no_limit, system); }, {dir / "a", "changed while it was read"});
  }
}

TEST(AtomicFile, WritesReplacesAndKeepsTheMode) {
  const TempDir dir;
  write_file_atomically(dir / "a", bytes("first"));
  EXPECT_EQ(slurp(dir / "a"), bytes("first"));
  std::filesystem::permissions(dir / "a", std::filesystem::perms(0640));
  write_file_atomically(dir / "a", bytes(""));
  EXPECT_EQ(slurp(dir / "a"), bytes(""));
  EXPECT_EQ(std::filesystem::status(dir / "a").permissions(), std::filesystem::perms(0640));
  EXPECT_THAT(dir.names(), testing::ElementsAre("a"));
}

TEST(AtomicFile, FollowsALinkAndKeepsIt) {
  const TempDir dir;
  spill(dir / "target", bytes("old"));
  ASSERT_EQ(::symlink("target", (dir / "link").c_str()), 0);
  write_file_atomically(dir / "link", bytes("new"));
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
  EXPECT_EQ(slurp(dir / "target"), bytes("new"));
  ASSERT_EQ(::symlink("nowhere", (dir / "dangling").c_str()), 0);
  expect_error<IoError>([&] { write_file_atomically(dir / "dangling", {}); }, {dir / "dangling", "leads nowhere"});
}

TEST(AtomicFile, RefusesWhatCannotBeReplaced) {
  const TempDir dir;
  expect_error<IoError>([&] { write_file_atomically(dir.path(), {}); }, {dir.path(), "a directory"});
  expect_error<IoError>([&] { write_file_atomically(dir / "no/such/folder", {}); }, {dir / "no/such/folder", "No such file"});
  expect_error<IoError>([&] { write_file_atomically("/dev/null", {}); }, {"/dev/null", "a device"});
  expect_error<IoError>([&] { write_file_atomically("", {}); }, {"empty"});
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  expect_error<IoError>([&] { write_file_atomically(dir / "fifo", {}); }, {"a pipe"});
}

TEST(AtomicFile, WithoutCommitNothingHappened) {
  const TempDir dir;
  spill(dir / "a", bytes("old"));
  {
    AtomicFile file(dir / "a");
    file.write(bytes("new"));
    EXPECT_EQ(slurp(dir / "a"), bytes("old"));
  }
  EXPECT_EQ(slurp(dir / "a"), bytes("old"));
  EXPECT_THAT(dir.names(), testing::ElementsAre("a"));
}

TEST(AtomicFile, LeftOversOfAKilledProcessAreSteppedOver) {
  const TempDir dir;
  for (int i = 0; i < 3; ++i) {
    AtomicFile first(dir / "a");
    // The name the next one would take, found by looking at this one's.
    const std::string name = dir.names().at(0);
    const auto dot = name.rfind('.', name.size() - 5);
    const int number = std::stoi(name.substr(dot + 1));
    const std::string stale = dir / (name.substr(0, dot + 1) + std::to_string(number + 1) + ".tmp");
    spill(stale, bytes("stale"));
    AtomicFile second(dir / "a");
    second.write(bytes("new"));
    second.commit();
    EXPECT_EQ(slurp(dir / "a"), bytes("new"));
    std::filesystem::remove(stale);
    std::filesystem::remove(dir / "a");
  }
}

// The heart of the promise: whatever fails, at whichever call, the old file or the new one is there, whole, and nothing else.
TEST(AtomicFile, EveryFailingCallLeavesTheOldFileOrTheNew) {
  for (const bool had_old : {false, true}) {
    for (const int error : {ENOSPC, EIO, EROFS, EACCES, EDQUOT}) {
      for (const auto kind : {Faulty::Kind::error, Faulty::Kind::error_for_ever}) {
        bool succeeded = false;
        std::map<std::string, int> failed;
        for (int n = 1; !succeeded; ++n) {
          ASSERT_LT(n, 50);
          const TempDir dir;
          if (had_old) spill(dir / "a", bytes("the old content"));
          Faulty system(n, error, kind);
          bool threw = false;
          try {
            AtomicFile file(dir / "a", system);
            file.write(bytes("the "));
            file.write(bytes("new content"));
            file.commit();
          } catch (const IoError& failure) {
            threw = true;
            ++failed[system.failed_call()];
            EXPECT_THAT(failure.what(), testing::HasSubstr(dir / "a"));
            EXPECT_THAT(failure.what(), testing::HasSubstr(std::generic_category().message(error)));
            // Once renamed, only the sync of the directory can fail, and the text says what is uncertain.
            EXPECT_EQ(std::string(failure.what()).find("power failure") != std::string::npos, system.renamed());
          }
          EXPECT_EQ(system.open_files(), 0);
          if (threw && !system.renamed()) {
            EXPECT_THAT(dir.names(), had_old ? testing::Matcher<std::vector<std::string>>(testing::ElementsAre("a"))
                                             : testing::Matcher<std::vector<std::string>>(testing::IsEmpty()));
            if (had_old) {
              EXPECT_EQ(slurp(dir / "a"), bytes("the old content"));
            }
          } else {
            EXPECT_THAT(dir.names(), testing::ElementsAre("a"));
            EXPECT_EQ(slurp(dir / "a"), bytes("the new content"));
          }
          if (!threw) {
            // Success is told only when nothing failed, or the close of the directory, which holds nothing.
            EXPECT_TRUE(!system.fired() || system.failed_call() == "close");
            succeeded = !system.fired();
          }
        }
        EXPECT_EQ(failed["write"], 2);
        EXPECT_EQ(failed["fsync"], 2);
        EXPECT_EQ(failed["rename"], 1);
        EXPECT_EQ(failed["open"], 2);
        EXPECT_EQ(failed["close"], 1);
        EXPECT_EQ(failed["fchmod"], had_old ? 1 : 0);
      }
    }
  }
}

TEST(AtomicFile, InterruptionsAndShortWritesAreNoFailure) {
  for (int n = 1; n < 30; ++n) {
    const TempDir dir;
    Faulty shortened(n, 0, Faulty::Kind::short_count);
    write_file_atomically(dir / "a", bytes("the new content"), shortened);
    EXPECT_EQ(slurp(dir / "a"), bytes("the new content"));
    // rename and fchmod are never interrupted.
    Faulty interrupted(n, EINTR, Faulty::Kind::error);
    try {
      write_file_atomically(dir / "b", bytes("the new content"), interrupted);
      EXPECT_EQ(slurp(dir / "b"), bytes("the new content"));
    } catch (const IoError&) {
      EXPECT_EQ(interrupted.failed_call(), "rename");
    }
  }
}

class WritesNothing : public Syscalls {
 public:
  ssize_t write(int, const void*, std::size_t) override { return 0; }
};

TEST(AtomicFile, AWriteOfNoByteIsAnErrorNotALoop) {
  const TempDir dir;
  WritesNothing system;
  expect_error<IoError>([&] { write_file_atomically(dir / "a", bytes("x"), system); }, {dir / "a", "writing failed"});
  EXPECT_THAT(dir.names(), testing::IsEmpty());
}

TEST(AtomicFile, NothingGoesOnAfterAFailure) {
  const TempDir dir;
  Faulty system(2, ENOSPC, Faulty::Kind::error);
  AtomicFile file(dir / "a", system);
  EXPECT_THROW(file.write(bytes("x")), IoError);
  EXPECT_THROW(file.write(bytes("x")), IoError);
  EXPECT_THROW(file.commit(), IoError);
  EXPECT_THAT(dir.names(), testing::IsEmpty());
}

// A disk that forgets: content counts only up to the last fsync of the file, a name only after the fsync of the directory.
// After a cut at any call the name must lead to whole content.
class Journal : public Syscalls {
 public:
  ssize_t write(int file, const void* from, std::size_t count) override {
    calls.emplace_back("write");
    return Syscalls::write(file, from, count);
  }
  int fsync(int file) override {
    struct stat status {};
    Syscalls::fstat(file, &status);
    calls.emplace_back(S_ISDIR(status.st_mode) ? "fsync directory" : "fsync file");
    return Syscalls::fsync(file);
  }
  int rename(const char* from, const char* to) override {
    calls.emplace_back("rename");
    EXPECT_EQ(std::filesystem::path(from).parent_path(), std::filesystem::path(to).parent_path());
    return Syscalls::rename(from, to);
  }
  std::vector<std::string> calls;
};

TEST(AtomicFile, OrderOfCallsOutlivesAPowerFailure) {
  const TempDir dir;
  Journal system;
  AtomicFile file(dir / "a", system);
  file.write(bytes("the "));
  file.write(bytes("new"));
  file.commit();
  EXPECT_THAT(system.calls, testing::ElementsAre("write", "write", "fsync file", "rename", "fsync directory"));
}

}  // namespace
}  // namespace linn::detail::io
