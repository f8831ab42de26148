// room: shift
// What translation does to a network: every image at every shift, what is right where, and where the errors come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linn/model.h"
#include "linn/tensor.h"
#include "linn/types.h"

namespace linn::shift {

/// What surrounds an image that moves.
/// "zero": it moves inside its own frame, which is the model's input; what leaves is cut off, zeros come in.
/// "canvas": it is first laid onto the middle of a frame as large as the model's input, zeros around it, and moves there.
/// "circular": as on a canvas (or in its own frame, where it is as large), but what leaves at one edge comes in at the other.
/// "crop": the image is larger than the model's input and is seen through a window of that size, which begins in the middle (as in
/// `on_canvas`, an odd rest lies below and to the right). The window moves against the shift, so that what it shows moves with it,
/// and real pixels come in; it cannot leave the image.
/// A misspelt literal does not compile; a std::string is checked when it runs (ValueError).
class Border {
 public:
  enum Kind : std::uint8_t { zero, canvas, circular, crop };

  consteval Border(const char* name) : kind_(literal(name)) {}
  Border(const std::string& name);
  constexpr Kind kind() const { return kind_; }
  std::string_view name() const;
  friend constexpr bool operator==(const Border&, const Border&) = default;

 private:
  static consteval Kind literal(std::string_view name) {
    if (name == "zero") return zero;
    if (name == "canvas") return canvas;
    if (name == "circular") return circular;
    if (name == "crop") return crop;
    throw "border must be \"zero\", \"canvas\", \"circular\" or \"crop\"";
  }
  Kind kind_;
};

struct SweepOptions {
  /// All shifts (dy, dx) with |dy| <= radius and |dx| <= radius, whole pixels. Less than the frame's sizes, for otherwise nothing is
  /// left to see; at most half of them for "circular", where shifts come round; at most the window's margin for "crop".
  std::int64_t radius = 4;
  Border border = "zero";
  /// Images computed at once; changes memory and speed, never a result.
  std::int64_t batch_size = 256;
  /// Called after each shift with the number of shifts done and of all; false ends the sweep (StateError).
  std::function<bool(std::int64_t done, std::int64_t all)> progress = {};
  /// As in FitOptions: every number of the images is multiplied by it.
  double input_scale = 1;
  Accuracy accuracy = "fast";
  /// Whether shifts that have most of a network's work in common may share it, where that changes no bit (Answers::method).
  bool phases = true;
};

/// A whole-pixel shift: down by dy, to the right by dx (up and left where negative).
struct Step {
  std::int64_t dy = 0;
  std::int64_t dx = 0;
  friend constexpr bool operator==(const Step&, const Step&) = default;
};

/// What a sweep keeps of each image at each shift: (2 * radius + 1)^2 entries an image, by dy and then dx from -radius up.
struct Answers {
  std::int64_t radius = 0;
  std::int64_t classes = 0;
  std::vector<std::uint16_t> predicted = {};  // the class with the largest value, the first of equals
  std::vector<std::int64_t> labels = {};      // one an image; empty: unknown
  std::vector<std::int64_t> room = {};        // one an image, as room_to_move
  std::vector<float> change = {};             // the largest |p_c(shifted) - p_c(unshifted)| over the classes c; empty: not kept
  std::vector<float> label_value = {};        // p_label(shifted); empty: not kept, or no labels
  bool probabilities = true;                  // whether the model's values are: none negative, each row's sum 1
  /// How a sweep computed them, to the same bits: "phases" (the convolutions once for all shifts that lie a multiple of their stride
  /// apart) or "shift by shift", and why so, for people. Empty: not said.
  std::string method = {}, method_reason = {};
};

/// A measured number with its 95 % confidence interval, which speaks of other images of the same kind: shifts are not drawn, all are
/// measured. NaN where there is nothing to measure; low and high alone where the images are too few to tell.
struct Estimate {
  double value = std::numeric_limits<double>::quiet_NaN();
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

/// Wilson's interval for `count` of `all` (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA
/// 1927): for shares of images. Throws ValueError unless 0 <= count <= all.
Estimate wilson(std::int64_t count, std::int64_t all);
/// The mean of one number an image, with mean -+ 1.96 standard deviations / sqrt(images) cut to [least, most]. A spread of 0 gives an
/// interval of no width, which says that these images do not differ, not that no other will.
Estimate mean_of(const std::vector<double>& values, double least, double most);

/// The measures within r: over the shifts d with |dy| <= r and |dx| <= r, the zero shift among them. y(d) is the predicted class of an
/// image at shift d, p(d) the model's values there. "Wilson" and "normal" say which interval (`wilson`, `mean_of`). Those that need
/// labels are NaN without them.
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
  /// Mean over images and over two shifts drawn independently of [y(d1) = y(d2)]: the consistency of Zhang, "Making convolutional
  /// networks shift-invariant again", ICML 2019, and of Chaman and Dokmanic, "Truly shift-invariant convolutional neural networks",
  /// CVPR 2021. Not drawn but counted: sum over classes of (shifts with that class)^2 / shifts^2 is the mean over all pairs. Normal.
  Estimate consistency;
  /// Anchor consistency of the images with y(0) = label alone (as in the code of Zou et al., "Delving deeper into anti-aliasing in
  /// ConvNets", BMVC 2020), so that a network is not called consistent for what it gets wrong everywhere. Normal.
  Estimate consistency_given_correct;
  /// Share of images with y(d) != y(0) at one shift or more. Wilson.
  Estimate flip_rate;
  /// Mean over images of the largest, and of the mean, over shifts of max_c |p_c(d) - p_c(0)| (the L-infinity distance; Azulay and
  /// Weiss, "Why do deep convolutional networks generalize so poorly to small image transformations?", JMLR 2019, follow one
  /// class). Normal.
  Estimate max_change, mean_change;
  /// Mean over images of the standard deviation over shifts of p_label(d) (Zhang 2019). Normal.
  Estimate label_deviation;
  /// Mean over images of the share of steps of one pixel, between shifts that lie side by side or one above the other, at which the
  /// class changes (Azulay and Weiss 2019: "jaggedness"). NaN for r = 0. Normal.
  Estimate jaggedness;
  /// Share of images that lose no ink at any shift: no pixel other than zero leaves the frame. Wilson.
  Estimate uncut_share;
  /// Worst-case accuracy of those images alone; NaN when there are none. Wilson.
  Estimate worst_case_accuracy_of_uncut;
};

/// One point of the sensitivity curve: means over images and over the shifts whose distance sqrt(dy^2 + dx^2) rounds to `distance`
/// (the radial average of Kauderer-Abrams, "Quantifying translation-invariance in convolutional neural networks", 2017, here without a
/// normalization). All normal.
struct CurvePoint {
  std::int64_t distance = 0;
  std::int64_t shifts = 0;
  Estimate accuracy;     // [y(d) = label]
  Estimate changed;      // [y(d) != y(0)]
  Estimate mean_change;  // max_c |p_c(d) - p_c(0)|
};

/// What a sweep found. "Within r" means |dy| <= r and |dx| <= r, and r = 0 is the image where it was. All shares are in 0..1.
/// Throws ValueError for an r outside 0..radius(), StateError where labels are needed and none came.
class Sweep {
 public:
  /// Throws ShapeError unless the sizes agree, ValueError for classes and labels outside 0..classes - 1, no image, or a radius or
  /// number of classes that is not allowed.
  explicit Sweep(Answers answers);

  std::int64_t radius() const { return answers_.radius; }
  std::int64_t images() const { return images_; }
  std::int64_t classes() const { return answers_.classes; }
  bool labelled() const { return !answers_.labels.empty(); }
  const Answers& answers() const { return answers_; }
  std::int64_t predicted(std::int64_t image, std::int64_t dy, std::int64_t dx) const;
  std::int64_t label(std::int64_t image) const;
  bool correct(std::int64_t image, std::int64_t dy, std::int64_t dx) const;
  /// The shortest shift at which the class is another than in place (of equals the first by dy, then dx); none where it never is.
  std::optional<Step> nearest_flip(std::int64_t image) const;

  Measures measures(std::int64_t r) const;
  /// For the distances 0..radius, whose shifts were all measured.
  std::vector<CurvePoint> curve() const;

  /// Share of images that are right at this shift.
  double accuracy(std::int64_t dy, std::int64_t dx) const;
  /// Share of images with the class that they have in place.
  double unchanged(std::int64_t dy, std::int64_t dx) const;
  /// The values of `measures(r)` under these names, for who wants one number.
  double mean_accuracy(std::int64_t r) const;
  double worst_case_accuracy(std::int64_t r) const;
  double uncut_share(std::int64_t r) const;
  double worst_case_accuracy_of_uncut(std::int64_t r) const;

  // Over the shifts, float64 of shape (2 * radius + 1, 2 * radius + 1), dy down and dx to the right:
  /// accuracy(dy, dx).
  Tensor map() const;
  /// unchanged(dy, dx).
  Tensor unchanged_map() const;
  /// The mean over images of `Answers::change`. StateError when it was not kept.
  Tensor change_map() const;

 private:
  std::int64_t side() const { return 2 * answers_.radius + 1; }
  std::size_t place(std::int64_t dy, std::int64_t dx) const;
  std::size_t index(std::int64_t image, std::int64_t dy, std::int64_t dx) const;
  void check(std::int64_t r) const;
  void need_labels() const;
  bool always_right(std::int64_t image, std::int64_t r) const;
  Estimate worst_case(std::int64_t r, bool uncut_only) const;
  Tensor share_map(const std::vector<std::int64_t>& counts) const;

  Answers answers_;
  std::int64_t images_ = 0;
  std::vector<std::int64_t> right_;  // by shift, how many images
  std::vector<std::int64_t> same_;   // by shift, how many images have the class that they have in place
};

/// The images moved down by dy and right by dx (up and left where negative) inside their frame; zeros come in.
/// Shapes (n, height, width) and (n, height, width, channels), any dtype; ShapeError for others.
Tensor shifted(const Tensor& images, std::int64_t dy, std::int64_t dx);

/// The same, but what leaves at one edge comes in at the other, as numpy's `roll` does.
Tensor rolled(const Tensor& images, std::int64_t dy, std::int64_t dx);

/// The images in the middle of a larger frame of zeros; an odd rest goes below and to the right.
/// Throws ShapeError when an image does not fit.
Tensor on_canvas(const Tensor& images, std::int64_t height, std::int64_t width);

/// For each image the largest r such that no shift within r cuts ink: the distance from the frame's edge to the nearest pixel
/// that is not zero in any channel. max(height, width) for an image without ink, which nothing can cut.
/// A sweep takes this in the frame that the model sees: where the border is "circular" it says how far ink can go without coming
/// round, and where it is "crop" it is -1 for an image whose ink lies outside the window from the beginning.
std::vector<std::int64_t> room_to_move(const Tensor& images);

/// Predicts every image at every shift. Exhaustive, without any random draw: the same model gives the same numbers.
/// The model must give one row of class values an image; the largest counts, the first of equals. Without labels (an undefined tensor)
/// everything that only compares predictions is measured all the same. Keeps ten bytes for each image and shift.
/// Throws ShapeError for images that do not fit the model, DataError for labels that do not, ValueError for a radius that is not
/// allowed and for a model that gives NaN, MemoryError, and StateError when `progress` ended it.
Sweep sweep(const Sequential& model, const Tensor& images, const Tensor& labels, const SweepOptions& options = {});

// ---- two published protocols -----------------------------------------------------------------------------------------

/// "zhang": the consistency of Zhang 2019, as his `validate_shift`: images larger than the input by range = a seventh (256 for 224),
/// two crops at offsets drawn from 0..range-1, down and to the right, once a batch of 8; 5 passes over the images.
/// "aps": that of Chaman and Dokmanic 2021: two circular shifts drawn from -3..2, once a batch of 256; 1 pass.
/// In both the share of images with the same class in the two views.
/// For small images: range is input / 7, at least 2, for each axis. Images that are not range larger than the input are laid onto the
/// middle of a frame of zeros that is (28 x 28 for an input of 28 x 28: a frame of 32 x 32, offsets 0..3), where Zhang resizes
/// photographs; larger ones are cropped to it in the middle. "aps" rolls the images in the frame of the model's input.
class Protocol {
 public:
  enum Kind : std::uint8_t { zhang, aps };

  consteval Protocol(const char* name) : kind_(literal(name)) {}
  Protocol(const std::string& name);
  constexpr Kind kind() const { return kind_; }
  std::string_view name() const { return kind_ == aps ? "aps" : "zhang"; }

 private:
  static consteval Kind literal(std::string_view name) {
    if (name == "zhang") return zhang;
    if (name == "aps") return aps;
    throw "protocol must be \"zhang\" or \"aps\"";
  }
  Kind kind_;
};

struct ProtocolOptions {
  std::uint64_t seed = 0;
  std::int64_t batch_size = 0;  // 0: as published; it decides how often shifts are drawn
  std::int64_t passes = 0;      // 0: as published
  double input_scale = 1;
  Accuracy accuracy = "fast";
  /// Called after each pass with the number of passes done and of all; false ends it (StateError).
  std::function<bool(std::int64_t done, std::int64_t all)> progress = {};
};

struct ProtocolResult {
  /// The mean over passes. Its interval is the normal one from the spread of the batches, each with one draw: images of a batch are no
  /// independent trials.
  Estimate consistency = {};
  std::vector<double> passes = {};  // the consistency of each
  std::int64_t batch_size = 0;
  Size2 frame = {0, 0};        // what was cropped from ("zhang"), or the model's input
  Step least = {}, most = {};  // dy and dx were drawn between these, both included
};

/// Throws as `sweep` does.
ProtocolResult protocol(const Sequential& model, const Tensor& images, Protocol protocol, const ProtocolOptions& options = {});

// ---- where it comes from ---------------------------------------------------------------------------------------------

struct BlameOptions {
  /// How far images move while maps are compared. 0: as far as the product of strides, so that shifts by a multiple of it are among
  /// those measured; at most 16 and what the border allows.
  std::int64_t radius = 0;
  /// Maps are compared on so many of the images; each needs (2 * radius + 1)^2 passes that keep all maps.
  std::int64_t images = 32;
  Border border = "zero";
  double input_scale = 1;
  Accuracy accuracy = "fast";
};

/// How far what leaves a layer is from moving with the image: means over images.
struct LayerError {
  std::string name;  // in the model
  std::string class_name;
  /// Product of the strides up to here, and the size of the map. (0, 0): no map leaves this layer, or the stride of a layer before it is
  /// not known.
  Size2 stride = {0, 0};
  Size2 size = {0, 0};
  /// ||T_q f(x) - f(T_d x)|| / ||f(T_d x)||, where f(x) is what leaves the layer and T_q moves it by q = d / stride cells; where d is no
  /// multiple of the stride, the least over the whole q next to it ("best alignment"). Both norms are over the cells that both maps show
  /// under each of these q. Without a map ||f(x) - f(T_d x)|| / ||f(T_d x)||. Norms are Euclidean; images that give zeros alone, and shifts
  /// as large as the map, are left out (NaN where nothing is left).
  /// float64 (2 * radius + 1, 2 * radius + 1). Zhang 2019 shows such maps of internal features, there of the cosine.
  Tensor error;
  /// Means of `error` over the shifts other than 0: multiples of the stride (behind the maps: of the last map's), the same inside the
  /// border alone (cells whose windows saw no edge of the image, neither before nor after), and the others. NaN where there are none, or
  /// where it is not known.
  double aligned = std::numeric_limits<double>::quiet_NaN();
  double aligned_inside = std::numeric_limits<double>::quiet_NaN();
  double misaligned = std::numeric_limits<double>::quiet_NaN();
};

/// The split: with S the product of all strides and d = S * q + p, a trunk of convolutions and pooling moves its last map by exactly q
/// cells where p = 0, away from the border. What changes there comes from border and head; the excess where p != 0 comes from
/// subsampling. No training, no model of the network: only what it gives is compared.
struct Blame {
  std::int64_t images = 0;  // whose maps were compared
  std::int64_t radius = 0;
  std::vector<LayerError> layers = {};
  /// S, and the index of the layer whose map is the trunk's last; (0, 0) and none where there are no maps.
  Size2 stride = {0, 0};
  std::optional<std::size_t> trunk = {};
  /// From the sweep, over all its images: how often the class is another than in place, at the shifts other than 0 that are multiples of
  /// S, and at the others. Normal intervals (`mean_of`); NaN where there are no such shifts.
  Estimate changed_aligned = {}, changed_misaligned = {};
  /// How much more often at the other shifts within S than at multiples of S, image by image, where the interval lies above 0: what
  /// moves less and changes more is subsampling's doing. NaN otherwise: then border and head alone change the class as often, and the
  /// share of subsampling in it cannot be told from classes.
  Estimate excess = {};
  /// The findings in words, every number in them measured.
  std::vector<std::string> text = {};
};

/// `sweep` is that of the same model, images and border. Throws as the function `sweep` does.
Blame blame(const Sequential& model, const Tensor& images, const Sweep& sweep, const BlameOptions& options = {});

// ---- for people ------------------------------------------------------------------------------------------------------

/// What a report says about where its numbers come from.
struct ReportOptions {
  std::string title = "Shift report";
  std::string model = {};
  std::string data = {};
  Border border = "zero";
  /// Digits to slide, at most. Those whose class changes soonest come first, and one that never changes where there is one.
  std::int64_t examples = 6;
};

/// One HTML page that needs nothing else: verdict, measures, heat maps, where it comes from (unless null), and images that the reader
/// slides until their class changes. Works without network; the file is replaced whole. Throws IoError.
void write_report(const std::string& path, const Sweep& sweep, const Blame* blame, const Sequential& model, const Tensor& images,
                  const ReportOptions& options = {});

/// Accuracy, share of unchanged classes and mean change by shift: a header, then one line a shift (RFC 4180); what was not measured is
/// empty. Throws IoError.
void write_csv(const std::string& path, const Sweep& sweep);

}  // namespace linn::shift
