// The epilogue of a convolution or Dense: activation(sum + bias + residual), applied to each sum.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>

#include "kernels/eltwise/activation.h"
#include "kernels/eltwise/eltwise.h"
#include "plan/op.h"

namespace linn::detail::plan {

struct Epilogue {
  bool bias = false;
  bool residual = false;  // a value of the output's shape, such as a ResNet's shortcut
  kernels::ActivationForward::Problem activation;

  bool is_linear() const { return activation.activation == kernels::Activation::linear; }
  /// Whether the kernel computes the whole epilogue in registers. If not, residual and activation are a separate pass over the kernel's
  /// result.
  bool is_in_kernel() const { return !residual && kernels::is_in_registers(activation.activation.kind); }
  /// The activation that the kernel computes.
  kernels::Activation in_kernel() const { return is_in_kernel() ? activation.activation.kind : kernels::Activation::linear; }
};

/// The map that an op with an epilogue computes for each image.
struct EpilogueMap {
  std::int64_t height, row, image;  // rows; elements of a row and from an image to the next
  std::int64_t step;                // rows that the kernel computes alone begin at a multiple of this; 0: it computes all
};

/// Base of ops with an epilogue. Fusion moves an addition or an activation behind such an op into its epilogue.
class EpilogueOp {
 public:
  virtual ~EpilogueOp() = default;
  const Epilogue& epilogue() const { return epilogue_; }
  /// A copy of the op with its inputs and this epilogue. `residual`: the new residual; undefined keeps the present one.
  virtual std::unique_ptr<Op> with_epilogue(const Epilogue& epilogue, Value residual) const = 0;

 protected:
  static constexpr std::int64_t cache_bytes = 256 << 10;  // limit of the result of a group: a quarter of an L2 cache

  explicit EpilogueOp(bool bias) { epilogue_.bias = bias; }

  /// `problem`: of the op's kernel, which has a bias and an activation.
  template <class Problem>
  void set_epilogue(const Epilogue& epilogue, Problem& problem) {
    epilogue_ = epilogue;
    activation_ = KernelUse<kernels::ActivationForward>(epilogue.activation);
    problem.bias = epilogue.bias;
    problem.activation = epilogue.in_kernel();
  }
  void prepare_epilogue(const kernels::Policy& policy) {
    if (epilogue_.is_in_kernel()) return;
    add_.prepare(policy);
    activation_.prepare(policy);
  }
  /// Op::period of the op, from the period of its kernel.
  std::int64_t period_with(std::int64_t kernel) const {
    if (epilogue_.is_in_kernel() || epilogue_.is_linear()) return kernel;
    return kernel == 0 || activation_.period() == 0 ? 0 : std::lcm(kernel, activation_.period());
  }

  /// Calls make(first, count), which computes images [first, first + count) of the result, then applies the part of the epilogue that the
  /// kernel does not compute. Works for every implementation, so that none needs a variant for residuals or other activations.
  ///
  /// Cost: the pass reads and writes the result once more, and reads the residual. It runs after each few images, while their result is in
  /// the L2 cache. A larger image (a map of 56x56x256 has 3 MB) is read from memory again, unless the op computes it in parts of
  /// `cache_bytes` (run_rows_with_epilogue).
  template <class T, class Make>
  void run_with_epilogue(std::int64_t images, std::int64_t elements, T* dst, const T* residual, const Make& make) const {
    if (epilogue_.is_in_kernel()) return make(0, images);
    const std::int64_t group = std::max<std::int64_t>(1, cache_bytes / (elements * static_cast<std::int64_t>(sizeof(T))));
    for (std::int64_t first = 0; first < images; first += group) {
      const std::int64_t count = std::min(group, images - first);
      make(first, count);
      finish(count * elements, dst + first * elements, residual == nullptr ? nullptr : residual + first * elements);
    }
  }

  /// The same for rows [begin, end) of maps, one for each image; `dst` has those rows. Calls make(first, count, begin, end, dst), which
  /// computes these rows of `count` images, for whole images or, where an image leaves the cache, for some of its rows at a time.
  template <class T, class Make>
  void run_rows_with_epilogue(std::int64_t images, std::int64_t begin, std::int64_t end, const EpilogueMap& map, T* dst, const T* residual,
                              const Make& make) const {
    const std::int64_t group = rows_at_a_time(map, sizeof(T));
    if (begin == 0 && end == map.height && group >= map.height)
      return run_with_epilogue(images, map.image, dst, residual,
                               [&](std::int64_t first, std::int64_t count) { make(first, count, begin, end, dst + first * map.image); });
    for (std::int64_t n = 0; n < images; ++n)
      for (std::int64_t first = begin; first < end; first += group) {
        const std::int64_t last = std::min(first + group, end);
        T* rows = dst + n * map.image + (first - begin) * map.row;
        run_part_with_epilogue((last - first) * map.row, rows, residual == nullptr ? nullptr : residual + n * map.image + first * map.row,
                               [&] { make(n, 1, first, last, rows); });
      }
  }

  /// The same for `count` elements of one image from dst on, a part of its result.
  template <class T, class Make>
  void run_part_with_epilogue(std::int64_t count, T* dst, const T* residual, const Make& make) const {
    make();
    if (!epilogue_.is_in_kernel()) finish(count, dst, residual);
  }

 private:
  // All, unless a part of the epilogue is a pass over the result and an image of that leaves the cache: then as many as stay.
  std::int64_t rows_at_a_time(const EpilogueMap& map, std::size_t element) const {
    const std::int64_t fit = cache_bytes / (map.row * static_cast<std::int64_t>(element));
    return epilogue_.is_in_kernel() || map.step == 0 || fit >= map.height ? map.height : std::max(fit / map.step, std::int64_t{1}) * map.step;
  }

  template <class T>
  void finish(std::int64_t count, T* dst, const T* residual) const {
    if (residual != nullptr) add_.run<T>({.count = count, .a = dst, .b = residual, .dst = dst, .scratch = nullptr});
    if (!epilogue_.is_linear()) activation_.run<T>({.count = count, .src = dst, .dst = dst, .scratch = nullptr});
  }

  Epilogue epilogue_;
  KernelUse<kernels::Add> add_;
  KernelUse<kernels::ActivationForward> activation_;
};

}  // namespace linn::detail::plan
