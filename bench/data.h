// What the programs of this folder share: memory with numbers in it, the clock, and how much work a kernel does.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/conv/pooled.h"
#include "kernels/geometry.h"

namespace linn::bench {

inline double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

class Data {
 public:
  explicit Data(std::int64_t count) : storage_(static_cast<std::size_t>(count) + 16) {
    for (float& value : storage_) value = std::uniform_real_distribution<float>(-1, 1)(engine_);
  }
  // 64-byte aligned, as the planner places buffers.
  float* get() { return storage_.data() + (64 - reinterpret_cast<std::uintptr_t>(storage_.data()) % 64) / sizeof(float) % 16; }

 private:
  static inline std::mt19937 engine_{1};
  std::vector<float> storage_;
};

/// Of a convolution in its direct form.
inline double operations_of(const detail::kernels::Geometry& g, std::int64_t images) {
  return 2.0 * static_cast<double>(images * detail::kernels::products(g));
}

/// A convolution with 2x2 max pooling. What is counted is the direct form's products of the cells that windows see, so Winograd may
/// pass 1, and for gradients the products of live windows.
struct Pooled {
  detail::kernels::Geometry conv, pool;
  std::int64_t images;
  double products() const { return 2.0 * static_cast<double>(outputs() * conv.window_height * conv.window_width * conv.channels); }
  std::int64_t outputs() const { return images * pool.out_height * pool.out_width * pool.channels; }
};

inline Pooled pooled(const detail::kernels::Window& window, std::int64_t size, std::int64_t channels, std::int64_t out_channels,
                     std::int64_t images) {
  const detail::kernels::Geometry conv = *detail::kernels::resolve(window, size, size, channels, out_channels);
  return {conv,
          *detail::kernels::resolve({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, conv.out_height, conv.out_width,
                                    out_channels, out_channels),
          images};
}

/// Gradients of a pooled map, a third of the windows dead, as relu leaves them; argmax at random.
struct Sparse {
  explicit Sparse(const Pooled& p) : ddst(p.outputs()), argmax(static_cast<std::size_t>(p.outputs())) {
    std::mt19937 engine(3);
    for (std::int64_t i = 0; i < p.outputs(); ++i) {
      const bool lives = engine() % 3 != 0;
      live += lives;
      argmax[static_cast<std::size_t>(i)] = lives ? static_cast<std::uint8_t>(engine() % 4) : detail::kernels::no_cell;
    }
    live /= static_cast<double>(p.outputs());
  }
  Data ddst;
  std::vector<std::uint8_t> argmax;
  double live = 0;  // the share of windows
};

}  // namespace linn::bench
