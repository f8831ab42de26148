// room: shift
// Guarantees of translation invariance, by construction of the network and by enumeration of shifts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"

namespace linn::shift {

/// The first reason why the output may change when the input is shifted circularly; none if it cannot change in any bit, whatever the weights.
/// None means: every window has circular borders, every stride is a polyphase layer on a map that it divides, there is at least one (only
/// beside a polyphase layer does inference choose kernels that round alike at all places), and a global pooling comes before any layer
/// that depends on places. The text names the layer.
std::optional<std::string> why_not_invariant(const Model& model);

/// Radius within which each image can move with the same output to the bit, by construction: no shift is run. 0 for all images where
/// `why_not_invariant` has a reason; else `room_to_move`, because a shift that moves no ink out of the frame is a circular shift.
/// `fill` is the background (empty: zeros). `images` must have the model's input size (ShapeError); use `on_canvas` for smaller ones.
std::vector<std::int64_t> certified_by_construction(const Model& model, const Tensor& images, const std::vector<double>& fill = {});

/// Radius within which each image keeps its class: the largest r, at most the sweep's radius, such that the class at every shift within r
/// is that at shift 0. For any model and border. Nothing is known beyond the sweep's radius.
std::vector<std::int64_t> certified_by_enumeration(const Sweep& sweep);

/// Both radii, an entry an image.
struct Certificates {
  std::vector<std::int64_t> by_enumeration;
  std::vector<std::int64_t> by_construction;
  /// The reason for which by_construction is 0 for all images; none where there is a guarantee.
  std::optional<std::string> why_not;
};

/// `sweep` must be of the same model, images and border. Images smaller than the model's input lie in its middle. With border "crop" there is
/// no radius by construction: pixels come in that are no background. Throws ShapeError for images that do not fit.
Certificates certify(const Model& model, const Tensor& images, const Sweep& sweep, Border border);

/// Writes one line an image (RFC 4180, with a header that names the border): number from 0, label (empty if unknown), class at shift 0, and
/// both radii. Replaces the file as a whole. Throws IoError.
void write_certificates(const std::string& path, const Sweep& sweep, Border border, const Certificates& certificates);

}  // namespace linn::shift
