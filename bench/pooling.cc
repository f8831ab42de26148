// Pooling alone on large maps, as a share of what a copy of as many bytes takes in the same run.
//
//   pooling_bench [threads=1] [pairs=11] [images=32] [size=112] [channels=64] [only=TEXT]
//
// Bytes: each tensor read or written once. The copy is the quicker of memcpy and a loop of streaming stores, and moves half the bytes
// from one place to another. A pair is the kernel, memcpy and the loop in turn; printed is the median of the pairs' ratios, with their
// range. Each thread takes its part of the images in one call, on memory of its own arena with 2 MB pages, as a plan's. The time is the
// processor time of the thread that took longest, which a busy machine disturbs least. LINN_ISA caps the instruction set.
#include <hwy/cache_control.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/pooling.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace linn::bench::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// `count` must be a multiple of 64.
void stream_copy(const float* src, float* dst, std::int64_t count) {
  const hn::CappedTag<float, 16> d;
  constexpr std::int64_t lanes = hn::MaxLanes(d);
  for (std::int64_t i = 0; i < count; i += 4 * lanes)
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < 4; ++v) hn::Stream(hn::Load(d, src + i + v * lanes), d, dst + i + v * lanes);
  hwy::FlushStream();
}

}  // namespace
}  // namespace linn::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <latch>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/checked.h"
#include "kernels/kernels.h"
#include "plan/device.h"

namespace linn::bench {
HWY_EXPORT(stream_copy);
namespace {

using namespace detail::kernels;

struct Options {
  std::int64_t threads = 1, pairs = 11, images = 32, size = 112, channels = 64;
  std::string only;
};

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Runs part(first image, images) on every thread at once; returns the processor time of the slowest.
double timed(const Options& options, const std::function<void(std::int64_t, std::int64_t)>& part) {
  std::vector<double> times(static_cast<std::size_t>(options.threads), 0.0);
  std::latch ready(options.threads);
  {
    std::vector<std::jthread> threads;
    for (std::int64_t t = 0; t < options.threads; ++t)
      threads.emplace_back([&, t] {
        const std::int64_t first = options.images * t / options.threads, last = options.images * (t + 1) / options.threads;
        ready.arrive_and_wait();
        const double start = thread_seconds();
        part(first, last - first);
        times[static_cast<std::size_t>(t)] = thread_seconds() - start;
      });
  }
  return *std::max_element(times.begin(), times.end());
}

class Data {
 public:
  explicit Data(std::int64_t count) : memory_(detail::plan::cpu().allocate(count * 4)) {
    std::minstd_rand engine(1);
    for (std::int64_t i = 0; i < count; ++i) get()[i] = static_cast<float>(engine() % 65536) / 65536 - 0.5f;
  }
  float* get() { return reinterpret_cast<float*>(memory_.get()); }
  std::uint8_t* bytes() { return reinterpret_cast<std::uint8_t*>(memory_.get()); }

 private:
  detail::plan::Device::Memory memory_;
};

struct Median {
  double low, middle, high;
};

Median median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        floats_(options.images * options.size * options.size * options.channels),
        src_(floats_),
        dst_(floats_),
        argmax_(detail::core::ceil_div(floats_, 4)),
        from_(detail::core::round_up(floats_ * 9 / 8, 64 * options.images)),
        to_(detail::core::round_up(floats_ * 9 / 8, 64 * options.images)) {}

  void all() {
    fmt::print("{} images {}x{}x{}, {} threads, {}, {} pairs\n", options_.images, options_.size, options_.size, options_.channels,
               options_.threads, detail::core::name_of(detail::core::isa()), options_.pairs);
    fmt::print("{:<28}{:>10}{:>16}{:>9}{:>9}  {}\n", "", "of copy", "range", "GB/s", "copy", "implementation");
    for (const std::int64_t stride : {1, 2})
      for (std::int64_t k = 2; k <= 7; ++k) {
        forward(k, stride, PoolKind::max, false);
        forward(k, stride, PoolKind::max, true);
        forward(k, stride, PoolKind::average, false);
        backward(k, stride, PoolKind::max);
        backward(k, stride, PoolKind::average);
      }
  }

 private:
  Geometry geometry(std::int64_t k, std::int64_t stride) const {
    return *resolve({.height = k, .width = k, .stride_height = stride, .stride_width = stride, .border = Border::same}, options_.size,
                    options_.size, options_.channels, options_.channels);
  }

  void forward(std::int64_t k, std::int64_t stride, PoolKind kind, bool argmax) {
    const std::string name = fmt::format("{} {}x{}/{}",
                                         kind == PoolKind::average ? "average"
                                         : argmax                  ? "max argmax"
                                                                   : "max",
                                         k, k, stride);
    if (!wanted(name)) return;
    const Geometry g = geometry(k, stride);
    const PoolForward::Problem problem{g, kind, argmax};
    const auto& f = choose<PoolForward>(problem);
    const double bytes = static_cast<double>(options_.images) * static_cast<double>(4 * g.src_image + (argmax ? 5 : 4) * g.dst_image);
    report(name, f.name, bytes, f.scratch(problem, options_.images), [&](std::int64_t first, std::int64_t images, float* scratch) {
      f.run(problem, {images, src_.get() + first * g.src_image, dst_.get() + first * g.dst_image,
                      argmax ? argmax_.bytes() + first * g.dst_image : nullptr, nullptr, scratch});
    });
  }

  void backward(std::int64_t k, std::int64_t stride, PoolKind kind) {
    const bool max = kind == PoolKind::max;
    const std::string name = fmt::format("{} gradient {}x{}/{}", max ? "max" : "average", k, k, stride);
    if (!wanted(name)) return;
    const Geometry g = geometry(k, stride);
    const PoolForward::Problem problem{g, kind, max};
    if (max) {
      const auto& f = choose<PoolForward>(problem);
      Data scratch(f.scratch(problem, options_.images));
      f.run(problem, {options_.images, src_.get(), dst_.get(), argmax_.bytes(), nullptr, scratch.get()});
    }
    const auto& f = choose<PoolInputGradient>(problem);
    const double bytes = static_cast<double>(options_.images) * static_cast<double>(4 * g.src_image + (max ? 5 : 4) * g.dst_image);
    report(name, f.name, bytes, f.scratch(problem, options_.images), [&](std::int64_t first, std::int64_t images, float* scratch) {
      f.run(problem, {images, src_.get() + first * g.dst_image, max ? argmax_.bytes() + first * g.dst_image : nullptr, nullptr,
                      dst_.get() + first * g.src_image, scratch});
    });
  }

  bool wanted(std::string_view name) const { return name.find(options_.only) != std::string_view::npos; }

  void report(std::string_view name, std::string_view implementation, double bytes, std::int64_t scratch_size,
              const std::function<void(std::int64_t, std::int64_t, float*)>& kernel) {
    const std::int64_t part = detail::core::round_up(static_cast<std::int64_t>(bytes / 8) / options_.images, 64);
    std::vector<Data> scratch;
    for (std::int64_t t = 0; t < options_.threads; ++t) scratch.emplace_back(scratch_size);
    std::vector<double> ratios, kernels, copies;
    for (std::int64_t pair = -1; pair < options_.pairs; ++pair) {
      const double kernel_time = timed(options_, [&](std::int64_t first, std::int64_t images) {
        kernel(first, images, scratch[static_cast<std::size_t>(first * options_.threads / options_.images)].get());
      });
      const double memcpy_time = timed(options_, [&](std::int64_t first, std::int64_t images) {
        std::memcpy(to_.get() + first * part, from_.get() + first * part, static_cast<std::size_t>(4 * images * part));
      });
      const double stream_time = timed(options_, [&](std::int64_t first, std::int64_t images) {
        HWY_DYNAMIC_DISPATCH(stream_copy)(from_.get() + first * part, to_.get() + first * part, images * part);
      });
      if (pair < 0) continue;  // warms up
      const double copy = std::min(memcpy_time, stream_time);
      ratios.push_back(copy / kernel_time), kernels.push_back(bytes / kernel_time * 1e-9), copies.push_back(bytes / copy * 1e-9);
    }
    const Median ratio = median(ratios);
    fmt::print("{:<28}{:>8.0f} %{:>16}{:>9.1f}{:>9.1f}  {}\n", name, 100 * ratio.middle,
               fmt::format("{:.0f}-{:.0f}", 100 * ratio.low, 100 * ratio.high), median(kernels).middle, median(copies).middle,
               implementation);
    std::fflush(stdout);
  }

  Options options_;
  std::int64_t floats_;
  Data src_, dst_, argmax_, from_, to_;
};

int run(int argc, char** argv) {
  Options options;
  const std::pair<std::string_view, std::int64_t*> numbers[] = {{"threads=", &options.threads},
                                                                {"pairs=", &options.pairs},
                                                                {"images=", &options.images},
                                                                {"size=", &options.size},
                                                                {"channels=", &options.channels}};
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    bool known = argument.starts_with("only=");
    if (known) options.only = argument.substr(5);
    for (const auto& [name, value] : numbers)
      if (argument.starts_with(name)) *value = std::stoll(argument.substr(name.size())), known = true;
    if (!known) {
      fmt::print(stderr, "pooling_bench: '{}' is none of threads=, pairs=, images=, size=, channels=, only=\n", argument);
      return 1;
    }
  }
  Bench(options).all();
  return 0;
}

}  // namespace
}  // namespace linn::bench

int main(int argc, char** argv) { return linn::bench::run(argc, argv); }
#endif
