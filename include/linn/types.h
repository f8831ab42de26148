// room: core
// Small types of arguments: sizes given as one number or two, and closed sets of names that are checked by the compiler.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "linn/choice.h"

namespace linn {

/// Height and width: `3` means (3, 3), `{2, 3}` means height 2, width 3. Unset until given a value.
struct Size2 {
  std::int64_t height = 0;
  std::int64_t width = 0;

  constexpr Size2() = default;
  constexpr Size2(std::int64_t both) : Size2(both, both) {}
  constexpr Size2(std::int64_t h, std::int64_t w) : height(h), width(w), set_(true) {}

  constexpr bool is_set() const { return set_; }
  friend constexpr bool operator==(const Size2&, const Size2&) = default;

 private:
  bool set_ = false;
};

/// Before the first and after the last of an axis: `1` means 1 and 1.
struct Pads1 {
  std::int64_t before = 0;
  std::int64_t after = 0;

  constexpr Pads1() = default;
  constexpr Pads1(std::int64_t both) : Pads1(both, both) {}
  constexpr Pads1(std::int64_t first, std::int64_t last) : before(first), after(last) {}
  friend constexpr bool operator==(const Pads1&, const Pads1&) = default;
};

/// Rows and columns around a map: `1` on every side, `{1, 2}` one above and below and two left and right,
/// `{{1, 2}, {3, 4}}` top 1, bottom 2, left 3, right 4.
struct Pads2 {
  Pads1 height;
  Pads1 width;

  constexpr Pads2() = default;
  constexpr Pads2(std::int64_t all) : Pads2(Pads1(all), Pads1(all)) {}
  constexpr Pads2(Pads1 rows, Pads1 columns) : height(rows), width(columns) {}
  friend constexpr bool operator==(const Pads2&, const Pads2&) = default;
};

struct BlurBorderNames {
  enum Kind : std::uint8_t { reflect, replicate, zero, circular };
  static constexpr std::string_view option = "border", names[] = {"reflect", "replicate", "zero", "circular"};
  static consteval void check(bool known) {
    if (!known) throw "border must be \"reflect\", \"replicate\", \"zero\" or \"circular\"";
  }
};
/// What a blur, or a window with pads in numbers, sees beyond the border of the row a b c d: "reflect" (c b|a b c d|c b), "replicate"
/// (a a|a b c d|d d), "zero", or "circular" (c d|a b c d|a b). A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using BlurBorder = Choice<BlurBorderNames>;

struct PaddingNames {
  enum Kind : std::uint8_t { valid, same, circular, full, reflect, replicate, causal };
  static constexpr std::string_view option = "padding", names[] = {"valid", "same", "circular", "full", "reflect", "replicate", "causal"};
  static consteval void check(bool known) {
    if (!known) throw "padding must be \"valid\", \"same\", \"circular\", \"full\", \"reflect\", \"replicate\" or \"causal\"";
  }
};
inline constexpr Choice<PaddingNames> no_padding = "valid";
inline constexpr BlurBorder zero_border = "zero";

/// What stands around a map before windows slide over it. Keras's names: "valid" (nothing), "same" (zeros; out = ceil(n / stride), the odd
/// pad at the end) and, of Conv1D alone, "causal" (zeros before the first step, (kernel_size - 1) * dilation of them, so that no output
/// depends on later steps). linn's own:
/// - "circular", "reflect", "replicate": the pads of "same", filled from the opposite side, by reflection without the edge, or by
///   repetition of the edge (numpy: wrap, reflect, edge; PyTorch: padding_mode). With "circular" a circular shift by a multiple of the
///   stride is one of the output, where the stride divides n;
/// - "full", of convolutions: zeros, (kernel_size - 1) * dilation on every side: no pixel has more taps than another, and the output grows;
/// - rows and columns in numbers, as PyTorch and ONNX have them: `Pads2(1)`, `{{1, 2}, {3, 4}}` for top 1, bottom 2, left 3, right 4. A
///   convolution sees zeros there; a pooling leaves them out, so that a maximum or a mean is of the cells inside the map. Each number must
///   be below the extent of the window (ShapeError);
/// - numbers with a border: `{Pads2(1), "reflect"}`. Pads of any size; "reflect" needs a map larger than its pads (ShapeError).
/// In configurations the last form is {"pads": [[1, 1], [1, 1]], "border": "reflect"}. A misspelt literal does not compile; a std::string is
/// checked when it runs (ValueError).
class Padding : public Choice<PaddingNames> {
 public:
  consteval Padding(const char* name) : Choice(name) {}
  Padding(const std::string& name) : Choice(name) {}
  constexpr Padding(const Pads2& pads, const BlurBorder& border = zero_border)
      : Choice(no_padding), pads_(pads), is_explicit_(true), border_(border) {}
  constexpr Padding(const Pads1& rows, const Pads1& columns) : Padding(Pads2(rows, columns)) {}

  /// Whether it was given in numbers; kind() is then `valid`, of the map with the pads.
  constexpr bool is_explicit() const { return is_explicit_; }
  constexpr const Pads2& pads() const { return pads_; }
  /// What the pads in numbers hold. "zero": zeros in a convolution, nothing in a pooling.
  constexpr const BlurBorder& border() const { return border_; }
  friend constexpr bool operator==(const Padding&, const Padding&) = default;

 private:
  Pads2 pads_ = 0;
  bool is_explicit_ = false;
  BlurBorder border_ = zero_border;
};

struct BlurPadsNames {
  enum Kind : std::uint8_t { zhang, timm, kornia };
  static constexpr std::string_view option = "pads", names[] = {"zhang", "timm", "kornia"};
  static consteval void check(bool known) {
    if (!known) throw "pads must be \"zhang\", \"timm\" or \"kornia\"";
  }
};
/// How many rows and columns a blur of m taps and stride s puts around the map, after who does so: "zhang" (floor((m - 1) / 2) above and
/// left, ceil((m - 1) / 2) below and right; out = ceil(n / s)), "timm" (floor((s + m - 2) / 2) on every side) or "kornia" (floor((m - 1) /
/// 2) on every side). For odd m and stride 2 all three are the same. A misspelt literal does not compile; a std::string is checked when it
/// runs (ValueError).
using BlurPads = Choice<BlurPadsNames>;

struct NormOrderNames {
  enum Kind : std::uint8_t { l1, l2, linf };
  static constexpr std::string_view option = "order", names[] = {"l1", "l2", "linf"};
  static consteval void check(bool known) {
    if (!known) throw "order must be \"l1\", \"l2\" or \"linf\"";
  }
};
/// The order of a norm: "l1" (sum of magnitudes), "l2" (root of the sum of squares) or "linf" (largest magnitude). A misspelt literal does
/// not compile; a std::string is checked when it runs (ValueError).
using NormOrder = Choice<NormOrderNames>;

struct AccuracyNames {
  enum Kind : std::uint8_t { fast, exact };
  static constexpr std::string_view option = "accuracy", names[] = {"fast", "exact"};
  static consteval void check(bool known) {
    if (!known) throw "accuracy must be \"fast\" or \"exact\"";
  }
};
/// How closely a call follows the arithmetic of the layers' definitions. "fast": any kernel may run, also one that rounds otherwise,
/// such as Winograd's convolution, each within its stated bound. "exact": only kernels that sum the float32 products of the
/// definition; slower where a network has 3x3 convolutions. Either way the same seed gives the same bits on any number of threads.
/// A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
using Accuracy = Choice<AccuracyNames>;

struct DataFormatNames {
  enum Kind : std::uint8_t { channels_last, channels_first };
  static constexpr std::string_view option = "data_format", names[] = {"channels_last", "channels_first"};
  static consteval void check(bool known) {
    if (!known) throw "data_format must be \"channels_last\" or \"channels_first\"";
  }
};
/// "channels_last", images as (height, width, channels), the layout that linn computes in; or "channels_first", (channels, height, width):
/// the layer then moves the axes before and after, which costs a copy each. A misspelt literal does not compile; a std::string is checked
/// when it runs (ValueError).
using DataFormat = Choice<DataFormatNames>;

struct DTypePolicyNames {
  enum Kind : std::uint8_t { float32, mixed_bfloat16 };
  static constexpr std::string_view option = "dtype_policy", names[] = {"float32", "mixed_bfloat16"};
  static consteval void check(bool known) {
    if (!known) throw "dtype_policy must be \"float32\" or \"mixed_bfloat16\"";
  }
};
/// How a model computes, as in Keras: "float32", or "mixed_bfloat16", which rounds what matrix products and convolutions multiply to
/// bfloat16 (8 significant bits) while sums, weights and everything else stay float32. A misspelt literal does not compile; a
/// std::string is checked when it runs (ValueError). Costs and gains: docs/decisions/bfloat16.md.
using DTypePolicy = Choice<DTypePolicyNames>;

}  // namespace linn
