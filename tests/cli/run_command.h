// The built command, run as its users run it, and small data and models for it.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "data/resize.h"
#include "io/json.h"
#include "io/test_files.h"
#include "linn/data.h"
#include "linn/layers.h"
#include "linn/model.h"
#include "support/source_tree.h"

namespace linn::cli {

namespace fs = std::filesystem;

struct Result {
  int code = -1;
  std::string out, err;
  std::int64_t peak_bytes = 0;

  std::vector<detail::io::Json> events() const {
    std::vector<detail::io::Json> all;
    std::istringstream lines(out);
    for (std::string line; std::getline(lines, line);) all.push_back(detail::io::parse_json(line, "stdout"));
    return all;
  }
};

// A running command; its output goes to files, so that no pipe can fill up.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, const fs::path& folder,
          const std::vector<std::pair<std::string, std::string>>& environment = {}, rlim_t memory = RLIM_INFINITY)
      : out_(folder / "stdout"), err_(folder / "stderr") {
    std::vector<std::string> words = {LINN_COMMAND};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::fflush(nullptr);  // or the child writes what is buffered once more
    pid_ = ::fork();
    if (pid_ == 0) {
      for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
      const ::rlimit limit = {memory, memory};
      if (memory != RLIM_INFINITY) ::setrlimit(RLIMIT_AS, &limit);
      if (std::freopen(out_.c_str(), "w", stdout) == nullptr || std::freopen(err_.c_str(), "w", stderr) == nullptr) ::_exit(99);
      ::execv(argv[0], argv.data());
      ::_exit(98);
    }
  }

  void interrupt() const { signal(SIGINT); }
  void signal(int number) const { ::kill(pid_, number); }
  bool wait_for_output(const std::string& text) const {
    for (int i = 0; i < 6000; ++i) {
      if (tests::text_of(out_).find(text) != std::string::npos || tests::text_of(err_).find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  bool wait_for_file(const fs::path& file) const {
    for (int i = 0; i < 3000 && !fs::exists(file); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return fs::exists(file);
  }
  Result wait() const {
    int status = 0;
    ::rusage usage{};
    ::wait4(pid_, &status, 0, &usage);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return {code, tests::text_of(out_), tests::text_of(err_), usage.ru_maxrss * 1024};
  }

 private:
  fs::path out_, err_;
  pid_t pid_ = -1;
};

class Command : public testing::Test {
 protected:
  Result run(const std::vector<std::string>& arguments, const std::vector<std::pair<std::string, std::string>>& environment = {}) const {
    return Process(arguments, folder_, environment).wait();
  }
  std::string path(const std::string& name) const { return folder_ / name; }
  // A command that is killed as soon as the file is there.
  void kill_when_there(const std::vector<std::string>& arguments, const std::string& file) const {
    const Process process(arguments, folder_);
    ASSERT_TRUE(process.wait_for_file(path(file)));
    process.signal(SIGKILL);
    process.wait();
  }

  // A small data set in the form of MNIST: a square in one of four corners, which is its class.
  std::string small_data(std::int64_t images = 64, std::int64_t labels = -1, std::uint8_t last_label = 3) const {
    if (labels < 0) labels = images;
    Tensor x({images, 12, 12}, DType::u8);
    Tensor y({labels}, DType::u8);
    for (std::int64_t i = 0; i < images; ++i)
      for (std::int64_t row = 0; row < 4; ++row)
        for (std::int64_t column = 0; column < 4; ++column)
          x.values<std::uint8_t>()[static_cast<std::size_t>((i * 12 + row + (i & 2) * 3 + 1) * 12 + column + (i & 1) * 6 + 1)] =
              static_cast<std::uint8_t>(200 + i % 50);
    for (std::int64_t i = 0; i < labels; ++i) y.values<std::uint8_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i & 3);
    if (labels > 0) y.values<std::uint8_t>()[static_cast<std::size_t>(labels - 1)] = last_label;
    const std::string file = path("data.npz");
    save_npz(file, {{"x_train", x}, {"y_train", y}, {"x_test", x}, {"y_test", y}});
    return file;
  }
  std::string trained() const {
    const Result result =
        run({"train", "--data", small_data(), "--epochs", "4", "--batch-size", "8", "--learning-rate", "0.01", "--out", path("model")});
    EXPECT_EQ(result.code, 0) << result.err;
    return path("model");
  }
  // The same with classes that do not depend on places: a square, a bar, an upright bar and a cross, anywhere.
  std::string figures(std::int64_t images = 256, std::int64_t size = 12) const {
    Tensor x({images, size, size}, DType::u8);
    Tensor y({images}, DType::u8);
    for (std::int64_t i = 0; i < images; ++i) {
      const std::int64_t figure = i & 3, top = 1 + i * 7 % (size - 6), left = 1 + i / 4 * 5 % (size - 6);
      for (std::int64_t row = 0; row < 5; ++row)
        for (std::int64_t column = 0; column < 5; ++column) {
          const bool bar = row == 2, upright = column == 2;
          if (figure == 0 || (figure == 1 && bar) || (figure == 2 && upright) || (figure == 3 && (bar || upright)))
            x.values<std::uint8_t>()[static_cast<std::size_t>((i * size + top + row) * size + left + column)] = 230;
        }
      y.values<std::uint8_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(figure);
    }
    const std::string file = path("figures.npz");
    save_npz(file, {{"x_train", x}, {"y_train", y}, {"x_test", x}, {"y_test", y}});
    return file;
  }
  // The same figures as pictures in class folders, two for testing in each class; every third is larger.
  std::string picture_folder(bool sizes_differ = true) const {
    const Archive data = load_npz(figures(32));
    const std::array<const char*, 4> names = {"square", "bar", "upright", "cross"};
    for (std::int64_t i = 0; i < 32; ++i) {
      const fs::path folder = folder_ / "pictures" / (i < 24 ? "train" : "test") / names[static_cast<std::size_t>(i & 3)];
      fs::create_directories(folder);
      Tensor image({12, 12, 3}, DType::u8);
      for (std::size_t k = 0; k < 432; ++k) image.values<std::uint8_t>()[k] = data["x_train"].values<std::uint8_t>()[static_cast<std::size_t>(i) * 144 + k / 3];
      if (sizes_differ && i % 3 == 0) image = detail::data::resized(image, {24, 18});
      save_png(folder / fmt::format("{}.png", i), image);
    }
    return path("pictures");
  }
  // A network saved without training.
  std::string saved(const Sequential& model, const std::string& name = "model") const {
    model.save(path(name));
    return path(name);
  }
  void write(const std::string& file, const std::string& text) const { std::ofstream(file, std::ios::binary) << text; }

  test::TempDir temporary_;
  fs::path folder_ = temporary_.path();
};

}  // namespace linn::cli
