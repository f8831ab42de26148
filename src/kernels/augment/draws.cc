#include "kernels/augment/draws.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/random.h"

namespace linn::detail::kernels {
namespace {

std::uint64_t key_of(const std::array<std::uint32_t, 4>& words) { return std::uint64_t{words[0]} << 32 | words[1]; }

}  // namespace

Draws::Draws(const DrawKey& key, std::uint64_t image)
    : key_(key_of(core::philox(key_of(core::philox(key.seed, key.stream, key.epoch)), core::stream_of("image", 0), image))) {}

double Draws::uniform() {
  if (next_ % 4 == 0) words_ = core::philox(key_, stream_, next_ / 4);
  return static_cast<double>(words_[next_++ % 4]) * 0x1p-32;
}

double Draws::open_uniform() { return uniform() + 0x1p-33; }

std::int64_t Draws::integer(std::int64_t least, std::int64_t bound) {
  const auto count = static_cast<double>(bound - least);
  const double u = uniform();
  return bound <= least ? least : least + std::min(static_cast<std::int64_t>(u * count), bound - least - 1);
}

double Draws::normal() {
  const double radius = std::sqrt(-2.0 * std::log(open_uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * open_uniform());
}

double Draws::log_gamma(double shape) {
  // Gamma(shape) is Gamma(shape + 1) * U^(1 / shape).
  const double boost = shape < 1 ? std::log(open_uniform()) / shape : 0;
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal(), t = 1.0 + c * x, u = open_uniform();
    const double v = t * t * t;
    if (v > 0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v) + boost;
  }
}

double Draws::gamma(double shape) { return std::exp(log_gamma(shape)); }

double Draws::beta(double alpha) {
  const double a = log_gamma(alpha), b = log_gamma(alpha);
  return 1.0 / (1.0 + std::exp(b - a));
}

Draws Draws::branch(std::uint64_t part) const { return Draws(Branch{key_, stream_ * 64 + part + 1}); }

}  // namespace linn::detail::kernels
