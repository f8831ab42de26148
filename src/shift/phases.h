// Shifts grouped by phase: shifts that are a multiple of the stride apart share one run of the network's first layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"
#include "shift/geometry.h"
#include "shift/network.h"
#include "shift/shifted_input.h"

namespace linn::shift {

/// Splits a network into a trunk and a head. The trunk's windows see no border. So its map of a frame moved by its stride S is the map of a
/// larger region of the plane, moved by one cell: one run of the trunk on the region serves all shifts of one phase (equal modulo S), and
/// only the head runs at each shift. An axis has S phases, fewer for a radius below S / 2.
///
/// It is used only where it gives the bits of `Scores::at`. That follows from the plans of the whole network, the trunk and the head: the
/// kernels are the same in the same order, and each kernel of the trunk gives the same bits after a known number of cells
/// (Operation::period). Where a period is more than one cell, S becomes the least common multiple.
class Phases {
 public:
  /// Model and shifted input must outlive it.
  Phases(const Model& model, const ShiftedInput& shifted_input, std::int64_t radius, const PredictOptions& options);

  /// Whether it gives the same bits as shifting one by one with less work.
  bool usable() const { return !trunks_.empty(); }
  /// Why it is usable or not, a sentence.
  const std::string& reason() const { return reason_; }

  // Only where it is usable:
  std::int64_t count() const { return y_.phases() * x_.phases(); }
  /// Calls `take` for every shift of a phase with the scores of images [first, last), float32 (last - first, outputs). Throws ValueError
  /// for NaN and infinities.
  void run(std::int64_t phase, std::int64_t first, std::int64_t last, const std::function<void(Shift, const Tensor&)>& take);
  /// Images of one call of `run`, so that the maps between trunk and head stay small.
  std::int64_t chunk() const { return chunk_; }

 private:
  // Shifts -radius..radius along one axis, as offsets 0..2 * radius (radius - shift): the frame begins `offset` pixels behind the first
  // pixel that any frame shows. offset = stride * q + phase.
  struct Axis {
    std::int64_t radius = 0;
    std::int64_t frame = 0;   // pixels
    std::int64_t map = 0;     // cells of the trunk's map of it
    std::int64_t stride = 1;  // S
    std::int64_t step = 1;    // cells between the maps of two frames S pixels apart

    std::int64_t phases() const;
    std::int64_t last(std::int64_t phase) const { return (2 * radius - phase) / stride; }  // the largest q
    std::int64_t pixels(std::int64_t phase) const { return frame + stride * last(phase); }
    std::int64_t all_pixels() const;  // of all phases
  };
  // The trunk, built for regions of one size.
  struct Trunk {
    std::int64_t height, width;
    Model network;
    Tensor regions;
  };

  bool cut_at(std::size_t cut);
  bool pays(double trunk_flops, double head_flops, std::int64_t cells);
  bool add_trunks(std::size_t cut, std::size_t operations);
  std::int64_t period_behind(std::size_t cut, std::size_t operations, bool down) const;
  bool refuse(std::string reason);
  Trunk& trunk_for(std::int64_t height, std::int64_t width);

  const Model& model_;
  const ShiftedInput& shifted_input_;
  PredictOptions options_;
  std::string reason_;
  Network network_;
  std::vector<MapGeometry> geometry_;  // by call
  std::vector<Operation> whole_;       // ops of the whole model
  Axis y_, x_;
  std::vector<Trunk> trunks_;
  std::optional<Model> head_;
  Tensor parts_;  // input of the head
  std::int64_t chunk_ = 1;
};

}  // namespace linn::shift
