// What a convolution or Dense does to each of its sums before it leaves the op: activation(sum + bias + residual).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>

#include "kernels/eltwise/activation.h"
#include "kernels/eltwise/eltwise.h"
#include "plan/op.h"

namespace linn::plan {

struct Epilogue {
  bool bias = false;
  bool residual = false;  // a value of the output's shape, such as a ResNet's shortcut
  kernels::ActivationForward::Problem activation;

  bool is_linear() const { return activation.activation == kernels::Activation::linear; }
  /// Whether kernels apply all of it to a sum in its register. The rest is a pass of its own over what has just been made.
  bool is_in_kernel() const { return !residual && kernels::is_linear_or_relu(activation.activation.kind); }
  /// The activation for the kernel.
  kernels::Activation in_kernel() const { return is_in_kernel() ? activation.activation.kind : kernels::Activation::linear; }
};

/// An op with an epilogue, which can take over an addition or an activation that follows it.
class EpilogueOp {
 public:
  virtual ~EpilogueOp() = default;
  const Epilogue& epilogue() const { return epilogue_; }
  /// A copy of the op, with its inputs, that does this in its epilogue. `residual`: undefined keeps what is there.
  virtual std::unique_ptr<Op> with_epilogue(const Epilogue& epilogue, Value residual) const = 0;

 protected:
  explicit EpilogueOp(bool bias) { epilogue_.bias = bias; }

  void set_epilogue(const Epilogue& epilogue) {
    epilogue_ = epilogue;
    activation_ = KernelUse<kernels::ActivationForward>(epilogue.activation);
  }
  void prepare_epilogue(const kernels::Policy& policy) {
    if (epilogue_.is_in_kernel()) return;
    add_.prepare(policy);
    activation_.prepare(policy);
  }
  /// Op::period of the whole, from that of the kernel.
  std::int64_t period_with(std::int64_t kernel) const {
    if (epilogue_.is_in_kernel() || epilogue_.is_linear()) return kernel;
    return kernel == 0 || activation_.period() == 0 ? 0 : std::lcm(kernel, activation_.period());
  }

  /// Calls make(first, count), which makes images [first, first + count) of the result, and applies what the kernel has left of the
  /// epilogue. Any form of a kernel serves: none needs a variant for an activation or a residual.
  ///
  /// Cost: the pass reads and writes the result once more, and reads the residual. So few images are made at a time that the result is still
  /// in the second-level cache; one image that is larger (a map of 56x56x256 is 3 MB) comes back from memory, as it would for an op of its
  /// own.
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

 private:
  static constexpr std::int64_t cache_bytes = 256 << 10;  // of the result: a quarter of a second-level cache

  template <class T>
  void finish(std::int64_t count, T* dst, const T* residual) const {
    if (residual != nullptr) add_.run<T>({.count = count, .a = dst, .b = residual, .dst = dst, .scratch = nullptr});
    if (!epilogue_.is_linear()) activation_.run<T>({.count = count, .src = dst, .dst = dst, .scratch = nullptr});
  }

  Epilogue epilogue_;
  KernelUse<kernels::Add> add_;
  KernelUse<kernels::ActivationForward> activation_;
};

}  // namespace linn::plan
