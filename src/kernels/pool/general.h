// Poolings other than maximum and mean: one function of the window's values, channel by channel.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/geometry.h"

namespace linn::detail::kernels {

/// The value of a window with the n cells x_i inside the map, in one channel. All sums are in row-major order of the cells.
///
/// | function         | value                                                       | parameters                | source                          |
/// |------------------|-------------------------------------------------------------|---------------------------|---------------------------------|
/// | lp               | (sum |x_i|^p)^(1/p), p = `exponent` >= 1                    |                           | Sermanet et al. 2012            |
/// | generalized_mean | (mean max(x_i, least)^p)^(1/p)                              | p                         | Radenovic et al. 2018, eq. 3    |
/// | soft             | sum w_i x_i, w_i = e^(x_i) / sum e^(x_j)                    |                           | Stergiou et al. 2021, eq. 1, 2  |
/// | expected         | sum w_i x_i, w_i = r_i / sum r_j, r_i = max(x_i, 0)         |                           | Zeiler and Fergus 2013, eq. 6   |
/// | sampled          | x_i with probability w_i as in `expected`                   |                           | Zeiler and Fergus 2013, eq. 5   |
/// | mixed            | a max x_i + (1 - a) mean x_i                                | a, or null: a = `share`   | Lee et al. 2016, mixed          |
/// | gated            | the same with a = 1 / (1 + exp(-sum v_i x_i))               | v_i, one for each cell    | Lee et al. 2016, gated          |
///
/// A window without a positive value, and one without a cell, gives 0 (lp, expected, sampled, soft and mixed of no cell). In
/// generalized_mean an exponent between -0.01 and 0.01 counts as the nearer of the two. Cells outside the map are left out; v_i of such a
/// cell too.
enum class PoolFunction : std::uint8_t { lp, generalized_mean, soft, expected, sampled, mixed, gated };

/// The least magnitude of the exponent of a generalized mean.
inline constexpr double least_exponent = 0.01;

struct GeneralPoolForward {
  static constexpr std::string_view name = "general_pool_forward";
  struct Problem {
    Geometry geometry;  // channels == out_channels
    PoolFunction function = PoolFunction::lp;
    double exponent = 2;       // lp
    double least = 1e-6;       // generalized_mean
    double share = 0.5;        // mixed without parameters
    bool per_channel = false;  // parameters: one for each channel, innermost; else one for all channels
    bool whole_map = false;    // the window is the map: the reference's sums do not depend on the order of the cells

    std::int64_t cells() const { return geometry.window_height * geometry.window_width; }
    /// Parameters of each channel: of gated one for each cell of the window.
    std::int64_t rows() const { return function == PoolFunction::gated ? cells() : 1; }
    std::int64_t parameters() const { return rows() * (per_channel ? geometry.channels : 1); }
  };
  static bool reference_position_invariant(const Problem&) { return true; }
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* parameters;                 // [rows, channels or 1], or null
    std::uint64_t seed, stream, first;   // sampled: element i of this call's dense output draws number `first + i`
    T* dst;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// The gradient. Of equal maxima the first takes all. lp: |x|^(p - 1) / y^(p - 1), 0 where x is 0. generalized_mean: 0 where x < least.
/// sampled: the drawn cell gets all. Overwrites dsrc and dparameters; each may be null. Gradients of overlapping windows are added in
/// row-major order of the outputs, those of parameters over images and outputs in row-major order, and channel by channel.
struct GeneralPoolGradient {
  static constexpr std::string_view name = "general_pool_gradient";
  using Problem = GeneralPoolForward::Problem;
  template <class T>
  struct Args {
    std::int64_t images;
    const T* src;
    const T* dst;  // of the forward call
    const T* parameters;
    std::uint64_t seed, stream, first;
    const T* ddst;
    T* dsrc;
    T* dparameters;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
