// Images that were left out, counted once each.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "linn/dataset.h"

namespace linn::detail::data {

/// Thread-safe. Takes a bit of memory for each image, and the text of the first hundred errors.
class SkippedLog {
 public:
  explicit SkippedLog(std::size_t images) : seen_(images) {}

  void add(std::size_t image, const char* message) {
    const std::lock_guard lock(mutex_);
    if (seen_[image]) return;
    seen_[image] = true;
    ++skipped_.count;
    if (skipped_.messages.size() < most_messages) skipped_.messages.emplace_back(message);
  }
  SkippedImages get() const {
    const std::lock_guard lock(mutex_);
    return skipped_;
  }

 private:
  static constexpr std::size_t most_messages = 100;

  mutable std::mutex mutex_;
  std::vector<bool> seen_;
  SkippedImages skipped_;
};

}  // namespace linn::detail::data
