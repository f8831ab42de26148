// Losses whose rows hang on more than a row: on a whole image, or on the other images of the batch.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace linn::detail::kernels {

/// Elements are joined to groups by the axes that are summed; with a = sum(t p), b = sum(t), c = sum(p) of a group
///   loss = 1 - factor a / (of_both a + of_target b + of_prediction c + 1e-7).
/// Dice's loss is factor 2, of_both 0, of_target 1, of_prediction 1; Tversky's is 1, 1 - alpha - beta, alpha, beta.
/// Each image has a loss for each of its groups; where groups reach over the batch, all images have the same.
struct Overlap {
  static constexpr std::string_view name = "overlap";
  struct Axis {
    std::int64_t size = 1;
    bool summed = true;
  };
  struct Problem {
    std::vector<Axis> axes = {};  // of an image, outermost first
    bool over_batch = true;
    double factor = 2, of_both = 0, of_target = 1, of_prediction = 1;

    std::int64_t elements() const {
      std::int64_t product = 1;
      for (const Axis& axis : axes) product *= axis.size;
      return product;
    }
    /// Of an image.
    std::int64_t groups() const {
      std::int64_t product = 1;
      for (const Axis& axis : axes) product *= axis.summed ? 1 : axis.size;
      return product;
    }
  };
  template <class T>
  struct Args {
    std::int64_t images;  // the whole batch
    const T* prediction;  // [images, elements], as targets
    const T* targets;
    double* sums;       // [images, groups, 3]: a, b, c; written with the loss and read for the gradient
    const T* upstream;  // [images, groups]: the gradient of the loss; read for dprediction only
    T* loss;            // [images, groups], or null
    T* dprediction;     // or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// Circle loss of embeddings (linn::losses::Circle has the formula). An image without a partner, or without an opponent, has loss 0.
struct Circle {
  static constexpr std::string_view name = "circle";
  struct Problem {
    std::int64_t width = 0;
    double gamma = 80, margin = 0.4;
    bool remove_diagonal = true;
  };
  template <class T>
  struct Args {
    std::int64_t images;         // the whole batch
    const T* prediction;         // [images, width]
    const std::int64_t* labels;  // [images]
    double* logs;                // [images, 2]: the logarithms of the two sums; written with the loss and read for the gradient
    const T* upstream;           // [images]
    T* loss;                     // [images], or null
    T* dprediction;              // [images, width], or null
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::detail::kernels
