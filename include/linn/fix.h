// room: shift
// Surgery on a network that minds translation: what moves with the image takes the place of what does not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::shift {

/// What takes the place of a stride: "blur" (a low-pass filter before it, BlurPooling2D and MaxBlurPooling2D: less variance, no
/// guarantee), "aps" (AdaptivePolyphaseSampling2D: the phase of the largest norm is kept) or "lps" (LearnablePolyphaseSampling2D: a
/// learned choice of the phase). A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
class Cure {
 public:
  enum Kind : std::uint8_t { blur, aps, lps };

  consteval Cure(const char* name) : kind_(literal(name)) {}
  Cure(const std::string& name);
  constexpr Kind kind() const { return kind_; }
  std::string_view name() const { return names[kind_]; }

 private:
  /// In the order of Kind.
  static constexpr std::string_view names[] = {"blur", "aps", "lps"};

  static consteval Kind literal(std::string_view name) {
    for (const Kind kind : {blur, aps, lps})
      if (name == names[kind]) return kind;
    throw "cure must be \"blur\", \"aps\" or \"lps\"";
  }
  Kind kind_;
};

struct FixOptions {
  Cure with = "aps";
  /// The input of the new network, (height, width), the old one in its middle; unset: as it was.
  Size2 canvas = {};
  /// Of the blur filters.
  std::int64_t filter_size = 3;
  /// Of "lps": steps of training until its choice is almost a hard one. As many as follow, or training ends with a soft one.
  std::int64_t anneal_steps = 10000;
  /// Initial values of new weights.
  std::uint64_t seed = 0;
};

/// One thing that surgery did.
struct Change {
  std::string layer;   // its name in the old network
  std::string before;  // "MaxPooling2D 2x2, stride 2x2, valid"
  std::string after;   // "MaxPooling2D 2x2, circular + AdaptivePolyphaseSampling2D, stride 2x2"
};

struct Fixed {
  Sequential model;
  std::vector<Change> changes;
  /// Names of variables that keep the old network's values, and of those that start anew.
  std::vector<std::string> kept;
  std::vector<std::string> fresh;
};

/// A network of the same task in which every stride has its cure, every border is circular, and the head sees the best place
/// of the whole map:
///   - MaxPooling2D, AveragePooling2D and Conv2D with strides go at stride 1 and leave the stride to the cure, and so do blurs where the
///     cure is another;
///   - padding becomes "circular", ZeroPadding2D goes;
///   - Flatten and the Dense behind it become a convolution with the Dense's own weights, as large as the map was, and
///     GlobalMaxPooling2D over all places; maps of more than 8 x 8 get GlobalMaxPooling2D and a new Dense instead;
///   - with "aps" and "lps" a network without any stride gets AdaptivePolyphaseSampling2D of stride 1, beside which inference rounds
///     alike at all places.
/// With "aps" and "lps" nothing is left in the way of `why_not_invariant`.
/// The result has to be trained again: what it computes is not what the old network did. It is not compiled.
/// Throws ShapeError for a model that is no classifier of images, for a canvas that is smaller than its input and, but for "blur", where
/// sizes are no multiple of the strides (the text says which canvas is); ValueError for layers without a cure and where there is nothing
/// to mend; StateError for a model that is not built.
Fixed fix(const Sequential& model, const FixOptions& options = {});

/// What a network does under translation, and what it costs: the columns of a table before and after.
struct Portrait {
  Sweep sweep;
  std::int64_t parameters = 0;
  double flops = 0;             // of one image, in the direct form
  double seconds_an_image = 0;  // predicting in batches of 128 on the threads there are
};

/// Sweeps the images and profiles the network for a quarter of a second or so. Throws as `sweep`.
Portrait portrait(const Sequential& model, const Tensor& images, const Tensor& labels, const SweepOptions& options);

/// Accuracy, worst case and consistency within the sweeps' radius, parameters, operations and time, a row each, before and after.
std::string table_of(const Portrait& before, const Portrait& after);

}  // namespace linn::shift
