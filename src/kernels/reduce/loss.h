// Losses and metrics of one row (a sample, or one position of it), with the gradient of the loss.
#pragma once

#include <cstdint>
#include <string_view>

namespace linn::kernels {

/// What `prediction` holds. For `probabilities` Keras's rule: p /= sum(p), clip to [1e-7, 1 - 1e-7], -log; the gradient is 0
/// where the clip holds.
enum class Prediction : std::uint8_t { probabilities, logits };

/// loss[r] = -sum over c of q[c] log p[c], where q is the one-hot of labels[r], or targets[r,:] when labels is null, smoothed:
/// q <- q (1 - smoothing) + smoothing / classes. dprediction[r,c] = scale * weight[r] * d loss[r] / d prediction[r,c].
/// loss[r] is unweighted. weights may be null (all one); dprediction may be null.
struct Crossentropy {
  static constexpr std::string_view name = "crossentropy";
  struct Problem {
    std::int64_t classes = 0;
    Prediction prediction = Prediction::probabilities;
    double smoothing = 0;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* prediction;
    const std::int64_t* labels;  // each in [0, classes), or null
    const T* targets;            // [rows, classes], when labels is null
    const T* weights;
    double scale;
    T* loss;
    T* dprediction;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// loss[r] = mean over c of (prediction - target)^2, with the gradient as above.
struct SquaredError {
  static constexpr std::string_view name = "squared_error";
  struct Problem {
    std::int64_t width = 0;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* prediction;
    const T* targets;
    const T* weights;
    double scale;
    T* loss;
    T* dprediction;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

/// right[r] = 1 if the first largest prediction is the label (or the first largest target, when labels is null), else 0;
/// binary (classes == 1): whether (prediction > 0.5) equals targets.
struct Accuracy {
  static constexpr std::string_view name = "accuracy";
  struct Problem {
    std::int64_t classes = 0;
  };
  template <class T>
  struct Args {
    std::int64_t rows;
    const T* prediction;
    const std::int64_t* labels;
    const T* targets;
    T* right;
    T* scratch;
  };
  template <class T>
  static void reference(const Problem& problem, const Args<T>& args);
};

}  // namespace linn::kernels
