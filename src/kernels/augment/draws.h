// Random numbers for one image. They are a function of (seed, op, epoch, number of the image in the data set), so an augmented image is the
// same on any number of threads, in any batch and in any shard.
#pragma once

#include <array>
#include <cstdint>

namespace linn::detail::kernels {

/// What the numbers of an op's images have in common.
struct DrawKey {
  std::uint64_t seed = 0;    // of the run and of the layer
  std::uint64_t stream = 0;  // of the op
  std::uint64_t epoch = 0;
};

/// The numbers of one image (or of one batch), one after the other. Philox under a key made of all that they depend on.
class Draws {
 public:
  Draws(const DrawKey& key, std::uint64_t image);

  /// In [0, 1), a multiple of 2^-32.
  double uniform();
  /// In [least, most).
  double uniform(double least, double most) { return least + (most - least) * uniform(); }
  /// A whole number in [least, bound); `least` where there is none.
  std::int64_t integer(std::int64_t least, std::int64_t bound);
  bool chance(double probability) { return uniform() < probability; }
  /// Standard normal. G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", 1958.
  double normal();
  /// Of shape `shape` and scale 1. G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", 2000.
  double gamma(double shape);
  /// Of Beta(alpha, alpha); exact for small alpha, where both gamma numbers underflow.
  double beta(double alpha);
  /// Independent numbers for part `part` of what is drawn. They do not depend on what was drawn before.
  Draws branch(std::uint64_t part) const;

 private:
  struct Branch {
    std::uint64_t key, stream;
  };
  explicit Draws(const Branch& branch) : key_(branch.key), stream_(branch.stream) {}
  /// In (0, 1).
  double open_uniform();
  /// The logarithm of a gamma number.
  double log_gamma(double shape);

  std::uint64_t key_ = 0, stream_ = 0, next_ = 0;
  std::array<std::uint32_t, 4> words_{};
};

}  // namespace linn::detail::kernels
