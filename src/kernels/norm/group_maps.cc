// Group normalization of maps. Loops over pixels are in the vector kernels of batch normalization; here are only loops over channels.
//
// Forward, for each image: moments of its channels, joined to those of the groups in double; coefficients of the channels; one pass.
// Gradient: sums over the pixels of each channel; of these the groups' and the parameters' sums; one pass.
// Measured (Zen 5, AVX-512, one core), as a share of what memcpy moves in the same run, each tensor counted once: 32 maps of 56x56x64 in
// 8 groups 0.84, gradient 0.89; 8 maps of 56x56x256 in 32 groups 0.72 and 0.69. A map larger than the L2 cache is read twice from memory.
#include <algorithm>
#include <cmath>

#include "kernels/norm/group_vector.h"
#include "kernels/norm/vector.h"

namespace linn::detail::kernels::norm {
namespace {

/// Divides scratch into arrays, each at the start of a cache line, so that no vector of coefficients lies in two of them.
struct Scratch {
  static constexpr std::int64_t line = 16;  // floats
  float* at;

  float* floats(std::int64_t count) {
    const auto beyond = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(at) / sizeof(float)) % line;
    float* start = at + (line - beyond) % line;
    at = start + count;
    return start;
  }
  double* doubles(std::int64_t count) { return reinterpret_cast<double*>(floats(2 * count)); }
};

/// Mean and 1 / sqrt(variance + epsilon) of a group, from the moments [2, channels] of its channels (NormMoments).
void join_group(const GroupNormForward::Problem& problem, const double* moments, std::int64_t first, double* statistics) {
  const std::int64_t last = first + problem.group_channels();
  const auto channels = static_cast<double>(problem.group_channels());
  double mean = 0, squares = 0;
  for (std::int64_t c = first; c < last; ++c) mean += moments[c] / channels;
  for (std::int64_t c = first; c < last; ++c) {
    const double distance = moments[c] - mean;
    squares += moments[problem.channels + c] + distance * distance * static_cast<double>(problem.pixels);
  }
  statistics[0] = mean;
  statistics[1] = 1 / std::sqrt(squares / static_cast<double>(problem.terms()) + problem.epsilon);
}

/// Coefficients [3, channels] of NormForward for one image. The rounding error of the mean is added to the shift.
void set_coefficients(const GroupNormForward::Problem& problem, const double* statistics, const float* gamma, const float* beta,
                      float* coefficients) {
  const std::int64_t channels = problem.channels;
  for (std::int64_t c = 0; c < channels; ++c) {
    const double* group = statistics + c / problem.group_channels() * 2;
    const double scale = group[1] * (gamma == nullptr ? 1.0 : static_cast<double>(gamma[c]));
    const auto mean = static_cast<float>(group[0]);
    const double rest = group[0] - static_cast<double>(mean);
    coefficients[c] = mean;
    coefficients[channels + c] = static_cast<float>(scale);
    coefficients[2 * channels + c] = static_cast<float>((beta == nullptr ? 0.0 : static_cast<double>(beta[c])) - rest * scale);
  }
}

/// From the sums [2, channels] of one image (NormGradientSums): slope and offset for NormInputGradient, and the image's terms of the
/// gradients of gamma and beta.
void join_sums(const GroupNormGradient::Problem& problem, const GroupNormGradient::Args<float>& args, const double* statistics,
               const float* sums, float* lines) {
  const std::int64_t channels = problem.channels, in_group = problem.group_channels();
  for (std::int64_t g = 0; g < problem.groups; ++g) {
    const double mean = statistics[2 * g], inverse = statistics[2 * g + 1];
    const double rest = mean - static_cast<double>(static_cast<float>(mean));
    double sum = 0, product = 0;  // of g and g * x^ over the group
    for (std::int64_t c = g * in_group; c < (g + 1) * in_group; ++c) {
      const double scale = args.gamma == nullptr ? 1.0 : static_cast<double>(args.gamma[c]);
      const auto dbeta = static_cast<double>(sums[c]);
      const double dgamma = (static_cast<double>(sums[channels + c]) - rest * dbeta) * inverse;
      sum += scale * dbeta;
      product += scale * dgamma;
      if (args.dgamma != nullptr) args.dgamma[c] += static_cast<float>(dgamma);
      if (args.dbeta != nullptr) args.dbeta[c] += static_cast<float>(dbeta);
    }
    const double slope = -inverse * inverse * product / static_cast<double>(problem.terms());
    const double offset = -inverse * sum / static_cast<double>(problem.terms()) - slope * rest;
    std::fill_n(lines + g * in_group, in_group, static_cast<float>(slope));
    std::fill_n(lines + channels + g * in_group, in_group, static_cast<float>(offset));
  }
}

}  // namespace

std::int64_t GroupMaps::scratch(const GroupNormForward::Problem& problem, std::int64_t /*images*/) {
  return 3 * Scratch::line + 2 * (2 * problem.channels + 2 * problem.groups) + 3 * problem.channels;
}

void GroupMaps::run(const GroupNormForward::Problem& problem, const GroupNormForward::Args<float>& args) {
  Scratch scratch{args.scratch};
  double* moments = scratch.doubles(2 * problem.channels);
  double* own = scratch.doubles(2 * problem.groups);
  float* coefficients = scratch.floats(3 * problem.channels);
  const std::int64_t image_size = problem.pixels * problem.channels;
  for (std::int64_t n = 0; n < args.images; ++n) {
    const float* src = args.src + n * image_size;
    double* statistics = args.statistics == nullptr ? own : args.statistics + n * 2 * problem.groups;
    VectorMoments::run({.pixels = problem.pixels, .channels = problem.channels}, {.images = 1, .src = src, .moments = moments, .scratch = nullptr});
    for (std::int64_t g = 0; g < problem.groups; ++g) join_group(problem, moments, g * problem.group_channels(), statistics + 2 * g);
    set_coefficients(problem, statistics, args.gamma, args.beta, coefficients);
    VectorForward::run({.channels = problem.channels},
                       {.rows = problem.pixels, .src = src, .coefficients = coefficients, .dst = args.dst + n * image_size, .scratch = nullptr});
  }
}

std::int64_t GroupMapsGradient::scratch(const GroupNormGradient::Problem& problem, std::int64_t /*images*/) { return 3 * Scratch::line + 7 * problem.channels; }

void GroupMapsGradient::run(const GroupNormGradient::Problem& problem, const GroupNormGradient::Args<float>& args) {
  const std::int64_t channels = problem.channels, image_size = problem.pixels * channels;
  Scratch scratch{args.scratch};
  float* coefficients = scratch.floats(3 * channels);
  float* sums = scratch.floats(2 * channels);
  float* lines = scratch.floats(2 * channels);
  if (args.dgamma != nullptr) std::fill_n(args.dgamma, channels, 0.0f);
  if (args.dbeta != nullptr) std::fill_n(args.dbeta, channels, 0.0f);
  for (std::int64_t n = 0; n < args.images; ++n) {
    const float* src = args.src + n * image_size;
    const float* ddst = args.ddst + n * image_size;
    const double* statistics = args.statistics + n * 2 * problem.groups;
    set_coefficients(problem, statistics, args.gamma, nullptr, coefficients);
    VectorGradientSums::run({.channels = channels},
                            {.rows = problem.pixels, .src = src, .ddst = ddst, .coefficients = coefficients, .sums = sums, .scratch = nullptr});
    join_sums(problem, args, statistics, sums, lines);
    if (args.dsrc == nullptr) continue;
    VectorInputGradient::run({.channels = channels}, {.rows = problem.pixels,
                                                      .src = src,
                                                      .ddst = ddst,
                                                      .coefficients = coefficients,
                                                      .gradient_coefficients = lines,
                                                      .dsrc = args.dsrc + n * image_size,
                                                      .scratch = nullptr});
  }
}

}  // namespace linn::detail::kernels::norm
