// What the numbers of images mean to a model: shares of 1, bytes, or something else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "data/value_range.h"
#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"

namespace linn::cli {

/// What a model was trained on, as its metadata keep it under "input_range".
struct TrainedOn {
  detail::data::ValueRange values;
  std::string dtype;      // "uint8"
  std::vector<double> background = {};  // what shift::fill_for found around the images: one value a channel
};
std::optional<TrainedOn> trained_on(const Model& model);
void remember_range(Model& model, const Tensor& images, const std::string& where);

/// The factor of the Rescaling that `linn train` puts in front: `option` (--scale) where it is given; for a network that scales its inputs
/// itself what brings the images to the values that it is made for; else what the values of the images want.
double training_scale(const Model& model, const Tensor& images, const std::string& where, const std::string& option);

/// "uint8 from 0 to 255".
std::string range_note(const Tensor& images, const std::string& where);

/// Images as a model takes them.
struct Pixels {
  Tensor images;
  double scale = 1, offset = 0;  // what the values were multiplied by, and what was added
  std::string note;              // says so: "uint8 from 0 to 255"
};
/// Each value times `scale`, plus `offset`, in float32; bytes that were divided by 255 become bytes again.
Tensor affine(const Tensor& images, double scale, double offset);
/// The images in the range that the model was trained on: between 0..1, 0..255, 0..65535 and -1..1 values are converted. A picture from a file
/// (`picture`) holds bytes, whichever occur. Where a model does not say what it was trained on, the constants of its first layers tell whether it is
/// made for bytes or for values from 0 to 1. `option` (--scale) multiplies, and nothing is checked then.
/// Throws DataError where the values lie in another range than the model's and no conversion is known.
Pixels as_trained(const Model& model, const Tensor& images, const std::string& where, const std::string& option, bool picture = false);

/// What lies around `images`, in their numbers: `option` (--fill, in the numbers before `pixels` converted them), else the background that the
/// model was trained on, else what shift::fill_for finds.
shift::Fill fill_around(const Model& model, const Tensor& images, const Pixels& pixels, const std::optional<double>& option);

}  // namespace linn::cli
