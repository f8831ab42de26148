// ConvPoolForward in bfloat16 for CPUs without vdpbf16ps: rounds the operands, then runs a float32 form. Bits may differ from the forms
// with vdpbf16ps, which add pairs in another order, take denormals as 0, and round the results of Winograd's transforms.
#pragma once

#include "kernels/conv/fused.h"
#include "kernels/conv/round_map.h"

namespace linn::detail::kernels::conv {

/// Rounds the operands of `Form`. Accepts what both `Form` and `Fast` (the form with vdpbf16ps) accept, so that the same ops round on every
/// CPU.
template <class Form, class Fast>
struct Rounded {
  static constexpr core::Isa needs = Form::needs;
  static constexpr Operands operands = Operands::bfloat16;
  static constexpr bool position_invariant = Form::position_invariant;

  static bool accepts(const ConvPoolForward::Problem& problem) { return Fast::accepts(problem) && Form::accepts(inner(problem)); }

  /// One rounded image, and the scratch of `Form`.
  static std::int64_t scratch(const ConvPoolForward::Problem& problem, std::int64_t) {
    const ConvPoolForward::Problem dense = inner(problem);
    return dense.conv.src_image + Form::scratch(dense, 1);
  }

  /// The rounded kernel, and the kernel packed by `Form`.
  static std::int64_t packed(const ConvPoolForward::Problem& problem) {
    if constexpr (requires { Form::packed; }) return kernel_size(problem) + Form::packed(inner(problem));
    return kernel_size(problem);
  }
  static void pack(const ConvPoolForward::Problem& problem, const float* kernel, float* packed) {
    round_to_bf16(kernel, kernel_size(problem), packed);
    if constexpr (requires { Form::packed; }) Form::pack(inner(problem), packed, packed + kernel_size(problem));
  }

  static void run(const ConvPoolForward::Problem& problem, const ConvPoolForward::Args<float>& args) {
    const Geometry &g = problem.conv, &pool = problem.pool;
    const ConvPoolForward::Problem dense = inner(problem);
    float* image = args.scratch;
    for (std::int64_t n = 0; n < args.images; ++n) {
      round_rows(args.src + n * g.src_image, g.src_row, g.src_pixel, g.height, g.width, g.channels, image);
      Form::run(dense, {1, image, args.packed, args.packed + kernel_size(problem), args.bias, args.dst + n * pool.dst_image,
                        problem.argmax ? args.argmax + n * pool.out_height * pool.out_width * pool.channels : nullptr,
                        image + dense.conv.src_image});
    }
  }

 private:
  static std::int64_t kernel_size(const ConvPoolForward::Problem& problem) {
    const Geometry& g = problem.conv;
    return g.window_height * g.window_width * g.channels / g.groups * g.out_channels;
  }
  // The problem that `Form` gets: its source, the rounded image, is dense.
  static ConvPoolForward::Problem inner(ConvPoolForward::Problem problem) {
    set_dense_src(problem.conv);
    return problem;
  }
};

struct RoundedWinogradPool : Rounded<WinogradPool, Bf16WinogradPool> {
  static constexpr bool direct_form = false;
  static constexpr std::int64_t period = WinogradPool::period;
  static constexpr std::string_view name = "rounded_winograd";
};
struct RoundedWindows : Rounded<Windows, Bf16Windows> {
  static constexpr std::string_view name = "rounded_windows";
};

/// Accepts what one of the direct forms with vdpbf16ps accepts.
struct Bf16Direct {
  static bool accepts(const ConvPoolForward::Problem& problem) { return Bf16Windows::accepts(problem) || Bf16Strip::accepts(problem); }
};
struct RoundedStrip : Rounded<Strip, Bf16Direct> {
  static constexpr std::string_view name = "rounded_strip";
};

}  // namespace linn::detail::kernels::conv
