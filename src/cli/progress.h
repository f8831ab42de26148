// A bar for work that is counted: on a terminal only.
#pragma once

#include <chrono>
#include <cstdint>

#include "cli/command.h"
#include "core/terminal.h"
#include "train/progress.h"

namespace linn::cli {

class Progress {
 public:
  Progress(const Common& common, std::int64_t all, const char* what)
      : all_(all), show_(!common.json() && detail::core::is_terminal(stdout)), bar_(stdout, all, what) {}

  bool update(std::int64_t done) {
    if (show_) bar_.update(done, seconds(), {});
    return true;
  }
  double finish() {
    const double all = seconds();
    if (show_) bar_.finish(all_, all, all, {});
    return all;
  }

 private:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

  std::int64_t all_;
  bool show_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  detail::train::ProgressBar bar_;
};

}  // namespace linn::cli
