// room: shift
// What is certain about a network under translation, and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"

namespace linn::shift {

/// Why the output of this network may change when its input is shifted circularly; nothing if it cannot, to the bit, for any
/// weights: every window sees the map as a ring, every stride is a polyphase choice of a divisible size (and there is one, for with it
/// inference leaves out kernels whose rounding depends on places), and a global pooling comes before anything that knows places. The
/// text names the first layer in the way.
std::optional<std::string> why_not_invariant(const Sequential& model);

/// How far each image can move, in every direction, with the same output to the bit: by construction, no shift is run. 0 for all
/// where `why_not_invariant` has a reason; else the room between ink and the frame's edge (`room_to_move`), for as long as
/// no ink leaves the frame a shift with zeros coming in is a circular one. Background is what is 0 in every channel, before any
/// scaling. `images` fill the model's input; lay smaller ones onto it first (`on_canvas`). Throws ShapeError for others.
std::vector<std::int64_t> certified_by_construction(const Sequential& model, const Tensor& images);

/// How far each image can move with the same class: the largest r, at most the sweep's radius, such that the class at every shift
/// within r is that in place; 0 where one pixel changes it. For any model and the sweep's border; nothing is certain beyond its radius.
std::vector<std::int64_t> certified_by_enumeration(const Sweep& sweep);

/// Both, an entry an image.
struct Certificates {
  std::vector<std::int64_t> by_enumeration;
  std::vector<std::int64_t> by_construction;
  /// Why by_construction is 0 throughout; nothing where it is not for such a reason.
  std::optional<std::string> why_not;
};

/// `sweep` is that of the same model, images and border. Images smaller than the model's input lie on its middle; of larger ones ("crop")
/// nothing is known by construction, as pixels come in that are no background. Throws ShapeError for images that do not fit.
Certificates certify(const Sequential& model, const Tensor& images, const Sweep& sweep, Border border);

/// A header, then one line an image (RFC 4180): number from 0, label (empty where it is unknown), class in place, and both radii; the
/// header names the border of the enumeration. The file is replaced whole. Throws IoError.
void write_certificates(const std::string& path, const Sweep& sweep, Border border, const Certificates& certificates);

}  // namespace linn::shift
