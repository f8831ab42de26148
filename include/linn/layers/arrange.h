// room: layers
// Layers that rearrange the elements of an image.
#pragma once

#include <cstdint>
#include <string>

#include "linn/axes.h"
#include "linn/layer.h"
#include "linn/types.h"

namespace linn {

struct ReshapeOptions {
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The same elements in the same order under another shape; one size of `target_shape` may be -1: what is left. Costs nothing.
/// Throws ShapeError when the elements do not fit.
class Reshape : public Layer {
 public:
  explicit Reshape(Axes target_shape, ReshapeOptions options = {});
};

struct PermuteOptions {
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The axes of an image in another order; `dims` counts from 1: Permute({2, 1, 3}) exchanges rows and columns.
/// Throws ValueError unless dims are the numbers 1 to n, ShapeError when the input does not have n axes.
class Permute : public Layer {
 public:
  explicit Permute(Axes dims, PermuteOptions options = {});
};

struct Cropping2DOptions {
  DataFormat data_format = "channels_last";
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The map without rows and columns at its borders, (height, width, channels) -> (height - top - bottom, width - left - right, channels):
/// `Cropping2D(1)` on every side, `Cropping2D({1, 2})` one row above and below and two columns left and right,
/// `Cropping2D({{1, 2}, {3, 4}})` top, bottom, left, right. Throws ValueError for a number below 0, ShapeError when nothing is left.
class Cropping2D : public Layer {
 public:
  Cropping2D(Pads2 cropping = 0, Cropping2DOptions options = {});
};

/// `data_format` stays as it is: Keras's class has none.
using Cropping1DOptions = Cropping2DOptions;

/// The steps without the first and the last, (steps, channels) -> (steps - before - after, channels): `Cropping1D(1)`, `Cropping1D({1, 2})`.
/// Throws ValueError for a number below 0, ShapeError when nothing is left.
class Cropping1D : public Layer {
 public:
  Cropping1D(Pads1 cropping = 1, Cropping1DOptions options = {});
};

struct RepeatVectorOptions {
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// A row n times, (features) -> (n, features). Throws ValueError for n below 1, ShapeError for another input than a row.
class RepeatVector : public Layer {
 public:
  explicit RepeatVector(std::int64_t n, RepeatVectorOptions options = {});
};

struct IdentityOptions {
  std::string name = {};
  bool trainable = true;
  Shape input_shape = {};
};

/// The input as it is.
class Identity : public Layer {
 public:
  explicit Identity(IdentityOptions options = {});
};

}  // namespace linn
