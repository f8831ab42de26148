// room: shift
// The shift lab: the predictions of a classifier for every image at every whole-pixel shift, measures of them, and the sources of the errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linn/choice.h"
#include "linn/model.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::shift {

struct BorderNames {
  enum Kind : std::uint8_t { zero, canvas, circular, crop };
  static constexpr std::string_view option = "border", names[] = {"zero", "canvas", "circular", "crop"};
  static consteval void check(bool known) {
    if (!known) throw "border must be \"zero\", \"canvas\", \"circular\" or \"crop\"";
  }
};
/// What comes in where an image moves away.
/// | name     | frame                                   | what leaves it                | what comes in                    |
/// |----------|-----------------------------------------|-------------------------------|----------------------------------|
/// | zero     | the model's input, as large as the image | is cut off                    | the fill value (SweepOptions)    |
/// | canvas   | the model's input, the image in the middle | is cut off                  | the fill value                   |
/// | circular | as zero or canvas                       | comes in at the opposite edge |                                  |
/// | crop     | a window of the input's size that moves over a larger image | -         | pixels of the image              |
/// A window begins in the middle of the image, an odd rest below and to the right, and moves against the shift. It never leaves the image.
/// A literal of another name does not compile; a std::string is checked at run time (ValueError).
using Border = Choice<BorderNames>;

struct SweepOptions {
  /// All shifts (dy, dx) with |dy| <= radius and |dx| <= radius, in whole pixels. The limit depends on the border: less than the frame's
  /// height and width ("zero", "canvas"), half of them ("circular", where larger shifts repeat smaller ones), half of what the image is
  /// larger than the window ("crop").
  std::int64_t radius = 4;
  Border border = "zero";
  /// Images of one batch. Changes memory and speed, never a result.
  std::int64_t batch_size = 256;
  /// Called after each shift with the number of shifts done and in all. Returning false ends the sweep (StateError).
  std::function<bool(std::int64_t done, std::int64_t all)> progress = {};
  Accuracy accuracy = "fast";
  /// The value that comes in with the borders "zero" and "canvas", in the images' own numbers: one for each channel, or one for all. Empty:
  /// fill_for.
  std::vector<double> fill = {};
  /// Where `fill` is from, for messages. Empty: "as given".
  std::string fill_origin = {};
  /// Computes the layers before the first border once for all shifts of one phase where that changes no bit (Predictions::method).
  bool phases = true;
};

/// A shift by whole pixels: dy down, dx to the right; negative: up, left.
struct Shift {
  std::int64_t dy = 0;
  std::int64_t dx = 0;
  friend constexpr bool operator==(const Shift&, const Shift&) = default;
};

/// The result of a sweep: one entry for each image and shift, (2 * radius + 1)^2 entries an image, ordered by dy, then dx, from -radius up.
struct Predictions {
  std::int64_t radius = 0;
  std::int64_t classes = 0;
  std::vector<std::uint16_t> predicted = {};  // the class of the largest value; of equal values the first
  std::vector<std::int64_t> labels = {};      // one an image; empty: unknown
  std::vector<std::int64_t> room = {};        // one an image: room_to_move
  std::vector<float> change = {};             // max over classes c of |p_c(shifted) - p_c(unshifted)|; empty: not kept
  std::vector<float> label_value = {};        // p_label(shifted); empty: not kept, or no labels
  bool probabilities = true;                  // no value is negative and each image's values sum to 1
  /// "phases" (layers before the first border run once for all shifts of a phase) or "shift by shift"; both give the same bits. The reason
  /// is a sentence. Empty: not known.
  std::string method = {}, method_reason = {};
  /// The value that came in at the border, one number a channel (empty: zeros), and where it is from, for messages.
  std::vector<double> fill = {};
  std::string fill_origin = {};
};

/// A measured number with its 95 % confidence interval. The interval is over images: another set of the same kind would fall into it; all
/// shifts are measured. NaN: nothing to measure. Low and high alone are NaN for fewer than two images.
struct Estimate {
  double value = std::numeric_limits<double>::quiet_NaN();
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

/// The share count / all with Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
/// JASA 1927). Throws ValueError unless 0 <= count <= all.
Estimate wilson(std::int64_t count, std::int64_t all);
/// The mean of one number an image with the normal interval mean -+ 1.96 * deviation / sqrt(images), cut to [least, most]. Equal values give
/// an interval of width 0.
Estimate mean_of(const std::vector<double>& values, double least, double most);

/// Measures over all shifts d with |dy| <= r and |dx| <= r, the zero shift included. y(d) is the predicted class of an image at shift d,
/// p(d) the model's values there, [.] is 1 where it holds, else 0. Each comment ends with the kind of interval: Wilson (`wilson`) or normal
/// (`mean_of`). Measures that need labels are NaN without them.
struct Measures {
  std::int64_t r = 0;
  /// Share of images with y(0) = label. Wilson.
  Estimate accuracy;
  /// Mean over images and shifts of [y(d) = label]. Normal.
  Estimate mean_accuracy;
  /// Share of images with y(d) = label at every shift: robust accuracy (Engstrom et al., "Exploring the landscape of spatial
  /// robustness", ICML 2019, there worst of a grid; Michaeli et al., "Alias-free convnets", CVPR 2023). Wilson.
  Estimate worst_case_accuracy;
  /// Mean over images and shifts of [y(d) = y(0)]. Normal.
  Estimate anchor_consistency;
  /// Mean over images and over all pairs of shifts (d1, d2) of [y(d1) = y(d2)]: the consistency of Zhang, "Making convolutional networks
  /// shift-invariant again", ICML 2019, and of Chaman and Dokmanic, "Truly shift-invariant convolutional neural networks", CVPR 2021. They
  /// draw pairs; here all count: the sum over classes of (shifts with that class / shifts)^2. Normal.
  Estimate consistency;
  /// Anchor consistency of the images with y(0) = label (as in the code of Zou et al., "Delving deeper into anti-aliasing in ConvNets",
  /// BMVC 2020). Unlike consistency it does not reward a network that is wrong everywhere. Normal.
  Estimate consistency_given_correct;
  /// Share of images with y(d) != y(0) at one shift or more. Wilson.
  Estimate flip_rate;
  /// Mean over images of the maximum, and of the mean, over shifts of max_c |p_c(d) - p_c(0)|. (Azulay and Weiss, "Why do deep convolutional
  /// networks generalize so poorly to small image transformations?", JMLR 2019, follow one class.) Normal.
  Estimate max_change, mean_change;
  /// Mean over images of the standard deviation over shifts of p_label(d) (Zhang 2019). Normal.
  Estimate label_deviation;
  /// Mean over images of the share of neighbouring shifts (one pixel apart, down or right) with different classes (Azulay and Weiss 2019:
  /// "jaggedness"). NaN for r = 0. Normal.
  Estimate jaggedness;
  /// Share of images whose room_to_move is r or more: no pixel but background leaves the frame. Wilson.
  Estimate uncut_share;
  /// Worst-case accuracy of these images; NaN when there are none. Wilson.
  Estimate worst_case_accuracy_of_uncut;
};

/// One point of the sensitivity curve: means over images and over the shifts whose distance sqrt(dy^2 + dx^2) rounds to `distance` (the
/// radial average of Kauderer-Abrams, "Quantifying translation-invariance in convolutional neural networks", 2017, not normalized).
/// All intervals are normal.
struct CurvePoint {
  std::int64_t distance = 0;
  std::int64_t shifts = 0;
  Estimate accuracy;     // [y(d) = label]
  Estimate changed;      // [y(d) != y(0)]
  Estimate mean_change;  // max_c |p_c(d) - p_c(0)|
};

/// Measures of a sweep's predictions. "Within r" means |dy| <= r and |dx| <= r. All shares lie in 0..1.
/// Throws ValueError for an r outside 0..radius(), StateError where labels are needed and none were given.
class Sweep {
 public:
  /// Throws ShapeError unless the sizes agree, ValueError for classes and labels outside 0..classes - 1, no image, or a radius or
  /// number of classes that is not allowed.
  explicit Sweep(Predictions predictions);

  std::int64_t radius() const { return predictions_.radius; }
  std::int64_t images() const { return images_; }
  std::int64_t classes() const { return predictions_.classes; }
  bool labelled() const { return !predictions_.labels.empty(); }
  const Predictions& predictions() const { return predictions_; }
  std::int64_t predicted(std::int64_t image, std::int64_t dy, std::int64_t dx) const;
  std::int64_t label(std::int64_t image) const;
  bool correct(std::int64_t image, std::int64_t dy, std::int64_t dx) const;
  /// The shortest shift with another class than at shift 0 (of equally long ones the first by dy, then dx); none if the class never changes.
  std::optional<Shift> nearest_flip(std::int64_t image) const;

  Measures measures(std::int64_t r) const;
  /// One point for each distance 0..radius. (Of larger distances some shifts lie outside the sweep.)
  std::vector<CurvePoint> curve() const;

  /// Share of images that are right at this shift.
  double accuracy(std::int64_t dy, std::int64_t dx) const;
  /// Share of images with the class that they have at shift 0.
  double unchanged(std::int64_t dy, std::int64_t dx) const;
  /// The values of `measures(r)` under the same names.
  double mean_accuracy(std::int64_t r) const;
  double worst_case_accuracy(std::int64_t r) const;
  double uncut_share(std::int64_t r) const;
  double worst_case_accuracy_of_uncut(std::int64_t r) const;

  // Over the shifts, float64 of shape (2 * radius + 1, 2 * radius + 1), dy down and dx to the right:
  /// accuracy(dy, dx).
  Tensor map() const;
  /// unchanged(dy, dx).
  Tensor unchanged_map() const;
  /// The mean over images of Predictions::change. StateError when it was not kept.
  Tensor change_map() const;

 private:
  std::int64_t side() const { return 2 * predictions_.radius + 1; }
  std::size_t place(std::int64_t dy, std::int64_t dx) const;
  std::size_t index(std::int64_t image, std::int64_t dy, std::int64_t dx) const;
  void check(std::int64_t r) const;
  void need_labels() const;
  bool always_right(std::int64_t image, std::int64_t r) const;
  Estimate worst_case(std::int64_t r, bool uncut_only) const;
  Tensor share_map(const std::vector<std::int64_t>& counts) const;

  Predictions predictions_;
  std::int64_t images_ = 0;
  std::vector<std::int64_t> right_;  // by shift: images with the right class
  std::vector<std::int64_t> same_;   // by shift: images with the class that they have at shift 0
};

/// What comes in where an image moves away.
struct Fill {
  std::vector<double> values = {};  // one a channel, in the images' own numbers
  std::string origin = {};          // for messages: "the background of the images (98.2 % of their edge pixels)"
};

/// The background of the images: the pixel value of at least half of all pixels at their edges. Images without one, as photographs, get the
/// value that the model's leading Rescaling and normalization map to 0; 0 where there are none. Throws ShapeError for images that do not fit.
Fill fill_for(const Model& model, const Tensor& images);

/// The images moved down by dy and right by dx (negative: up, left) inside their frame; `fill` comes in (one value a channel or one for all;
/// empty: zeros). Shapes (n, height, width) and (n, height, width, channels), any dtype. Throws ShapeError for others.
Tensor shifted(const Tensor& images, std::int64_t dy, std::int64_t dx, const std::vector<double>& fill = {});

/// The images shifted circularly: what leaves at one edge comes in at the opposite one, as with numpy's `roll`.
Tensor rolled(const Tensor& images, std::int64_t dy, std::int64_t dx);

/// The images in the middle of a larger frame of `fill` (empty: zeros); an odd rest goes below and to the right.
/// Throws ShapeError when an image does not fit.
Tensor on_canvas(const Tensor& images, std::int64_t height, std::int64_t width, const std::vector<double>& fill = {});

/// For each image the largest r such that no shift within r moves ink out of the frame: the distance from the frame's edge to the nearest
/// pixel that differs from `fill` (empty: zeros) in some channel. max(height, width) for an image without ink.
/// A sweep stores the value for the model's frame. With border "circular" it is how far ink can move without coming round; with "crop" it is
/// -1 for an image with ink outside the window.
std::vector<std::int64_t> room_to_move(const Tensor& images, const std::vector<double>& fill = {});

/// Predicts every image at every shift, without random draws: the same model gives the same numbers on any number of threads.
/// The model must give one row of class values an image. One value stands for two classes: class 1 where a probability is above 0.5, and where
/// a logit is above 0 (Dense(1) without a sigmoid, or compiled with from_logits). Labels may be undefined: then only measures without labels are available.
/// Keeps ten bytes for each image and shift (six without labels).
/// Throws ShapeError for images that do not fit the model, DataError for labels that do not, ValueError for a radius that is not allowed and
/// for a model that gives NaN, MemoryError, and StateError when `progress` ended it.
Sweep sweep(const Model& model, const Tensor& images, const Tensor& labels, const SweepOptions& options = {});

// ---- two published protocols -----------------------------------------------------------------------------------------

struct ProtocolNames {
  enum Kind : std::uint8_t { zhang, aps };
  static constexpr std::string_view option = "protocol", names[] = {"zhang", "aps"};
  static consteval void check(bool known) {
    if (!known) throw "protocol must be \"zhang\" or \"aps\"";
  }
};
/// Both protocols draw two shifts a batch and give the share of images with the same class at both.
/// | name  | source                        | views                                                        | batch | passes |
/// |-------|-------------------------------|--------------------------------------------------------------|-------|--------|
/// | zhang | Zhang 2019, `validate_shift`  | crops of an image that is `range` larger than the input, offsets 0..range-1, range = input / 7 (256 for 224) | 8 | 5 |
/// | aps   | Chaman and Dokmanic 2021      | circular shifts from -3..2 in the frame of the input         | 256   | 1      |
/// For small images range is input / 7, at least 2, for each axis. Images that are not larger than the input by range are laid onto the
/// middle of a frame of zeros that is (28 x 28 for an input of 28 x 28: a frame of 32 x 32, offsets 0..3); Zhang resizes photographs.
/// Larger images are cropped in the middle.
using Protocol = Choice<ProtocolNames>;

struct ProtocolOptions {
  std::uint64_t seed = 0;
  std::int64_t batch_size = 0;  // 0: as published; two shifts are drawn a batch
  std::int64_t passes = 0;      // 0: as published
  Accuracy accuracy = "fast";
  /// Called after each pass with the number of passes done and of all; false ends it (StateError).
  std::function<bool(std::int64_t done, std::int64_t all)> progress = {};
};

struct ProtocolResult {
  /// The mean over passes, with the normal interval from the batches. Images of a batch share one draw, so they are no independent trials.
  Estimate consistency = {};
  std::vector<double> passes = {};  // the consistency of each
  std::int64_t batch_size = 0;
  Size2 frame = {0, 0};         // size of the image that was cropped ("zhang"), or of the model's input
  Shift least = {}, most = {};  // limits of the draws, both included
};

/// Throws as `sweep` does.
ProtocolResult protocol(const Model& model, const Tensor& images, Protocol protocol, const ProtocolOptions& options = {});

// ---- sources of the errors -------------------------------------------------------------------------------------------

struct ErrorSourceOptions {
  /// Largest shift at which maps are compared. 0: the product of the network's strides, at most 16 and what the border allows.
  std::int64_t radius = 0;
  /// Images whose maps are compared. Cost: (2 * radius + 1)^2 passes that keep all maps.
  std::int64_t images = 32;
  Border border = "zero";
  Accuracy accuracy = "fast";
};

/// Translation equivariance error of one layer's output: means over images.
struct LayerError {
  std::string name;  // in the model
  std::string class_name;
  /// Product of the strides up to this layer, and the size of its map. (0, 0): the output is no map, or a stride up to here is not known.
  Size2 stride = {0, 0};
  Size2 size = {0, 0};
  /// Why the stride of a map is not known; empty where it is known or there is no map.
  std::string unknown = {};
  /// With f(x) the layer's output, T_q the shift by q cells and q = d / stride: ||T_q f(x) - f(T_d x)|| / ||f(T_d x)||. Where d is no multiple
  /// of the stride, the minimum over the whole q next to it ("best alignment"), all on the cells that both maps show under each of these q.
  /// Without a map: ||f(x) - f(T_d x)|| / ||f(T_d x)||. Norms are Euclidean. Images whose output is all zeros and shifts as large as the map
  /// are left out (NaN where nothing is left). float64 (2 * radius + 1, 2 * radius + 1). Zhang 2019 shows such maps with the cosine.
  Tensor error;
  /// Means of `error` over shifts other than 0. aligned: multiples of the stride (of the last map's stride for a layer without a map);
  /// aligned_inside: the same on the cells whose windows saw no edge of the image before or after; misaligned: the other shifts. NaN where
  /// there are none or it is not known.
  double aligned = std::numeric_limits<double>::quiet_NaN();
  double aligned_inside = std::numeric_limits<double>::quiet_NaN();
  double misaligned = std::numeric_limits<double>::quiet_NaN();
};

/// Separates the effect of subsampling from that of borders and head. S is the product of all strides. A shift d that is a multiple of S moves
/// the trunk's last map by exactly d / S cells away from the border, so all that changes comes from border and head. At other shifts
/// subsampling adds its part. Only outputs are compared; nothing is trained or modelled.
struct ErrorSources {
  std::int64_t images = 0;  // number of images whose maps were compared
  std::int64_t radius = 0;
  std::vector<LayerError> layers = {};
  /// S, and the index in `layers` of the trunk's last map; (0, 0) and none for a network without maps.
  Size2 stride = {0, 0};
  std::optional<std::size_t> trunk = {};
  /// From the sweep, over all its images: share of shifts with another class than at shift 0, of the multiples of S other than 0 and of the
  /// other shifts. Normal intervals; NaN where there are no such shifts.
  Estimate changed_aligned = {}, changed_misaligned = {};
  /// Mean over images of the share at the other shifts within S less that at multiples of S, where its interval lies above 0. These shifts are
  /// shorter and change more, so the difference is due to subsampling. NaN elsewhere: classes do not tell the share of subsampling.
  Estimate excess = {};
  /// The findings as sentences; each number in them was measured.
  std::vector<std::string> text = {};
};

/// `sweep` must be of the same model, images and border. Throws as the function `sweep` does.
ErrorSources find_error_sources(const Model& model, const Tensor& images, const Sweep& sweep, const ErrorSourceOptions& options = {});

// ---- for people ------------------------------------------------------------------------------------------------------

/// Texts and limits of a report.
struct ReportOptions {
  std::string title = "Shift report";
  std::string model = {};
  std::string data = {};
  Border border = "zero";
  /// Number of images that the reader can slide, at most: first those whose class changes at the shortest shift, last one that never changes.
  std::int64_t examples = 6;
};

/// Writes one self-contained HTML page: headline, measures, heat maps, sources of the errors (unless null), and images that the reader slides
/// until their class changes. Replaces the file as a whole. Throws IoError.
void write_report(const std::string& path, const Sweep& sweep, const ErrorSources* sources, const Model& model, const Tensor& images,
                  const ReportOptions& options = {});

/// Writes one line a shift with accuracy, share of unchanged classes and mean change (RFC 4180, with a header). Unmeasured cells are empty.
/// Throws IoError.
void write_csv(const std::string& path, const Sweep& sweep);

}  // namespace linn::shift
