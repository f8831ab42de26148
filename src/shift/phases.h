// All shifts by the phases of a network's grid: what shifts a stride apart have in common is computed once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "linn/model.h"
#include "linn/shift.h"
#include "linn/tensor.h"
#include "shift/border.h"
#include "shift/network.h"

namespace linn::shift {

/// A network cut into a trunk and a head. The trunk's windows see pixels alone, never a border, so what it gives for a frame moved by its
/// stride S is its map of a larger piece of the plane, moved by one cell: one run of the trunk on such a piece serves all shifts of one
/// phase, which differ by multiples of S, and only the head runs at each. Along an axis there are S phases, those of shifts within a radius
/// of less than S / 2 fewer.
///
/// It is used where it gives the bits of `Scores::at`, which follows from what the plans of the whole network, the trunk and the head say
/// of themselves: they run the same kernels, one after the other, and the bits of each of the trunk's repeat themselves (Operation::period)
/// after a number of cells by which maps of one phase are apart; where it is more than one, S is taken so many times larger.
class Phases {
 public:
  /// Model and scene must outlive it. `reason()` tells what it found.
  Phases(const Sequential& model, const Scene& scene, std::int64_t radius, const PredictOptions& options);

  /// Whether it gives the same bits as shifting one by one and takes less work.
  bool usable() const { return !trunks_.empty(); }
  /// For people.
  const std::string& reason() const { return reason_; }

  // Where it is usable:
  std::int64_t count() const { return y_.phases() * x_.phases(); }
  /// Calls `take` with float32 (last - first, classes), scores of images [first, last), for every shift of a phase. ValueError for NaN and
  /// infinities.
  void run(std::int64_t phase, std::int64_t first, std::int64_t last, const std::function<void(Step, const Tensor&)>& take);
  /// So many images at a time keep what lies between trunk and head small.
  std::int64_t chunk() const { return chunk_; }

 private:
  // Shifts -radius..radius along one axis. A frame at offset 0..2 * radius, radius less the shift, begins so many pixels behind the first
  // that any of them shows: at offset = stride * q + phase.
  struct Axis {
    std::int64_t radius = 0;
    std::int64_t frame = 0;   // pixels
    std::int64_t map = 0;     // cells of the trunk's map of it
    std::int64_t stride = 1;  // S
    std::int64_t step = 1;    // cells by which maps S pixels apart are apart

    std::int64_t phases() const;
    std::int64_t last(std::int64_t phase) const { return (2 * radius - phase) / stride; }  // the largest q
    std::int64_t pixels(std::int64_t phase) const { return frame + stride * last(phase); }
    std::int64_t all_pixels() const;  // of all phases
  };
  // The trunk for pieces of one size.
  struct Trunk {
    std::int64_t height, width;
    Sequential network;
    Tensor pieces;
  };

  bool cut_at(std::size_t cut, const std::vector<NetworkLayer>& layers);
  bool pays(double trunk_flops, double head_flops, std::int64_t cells);
  bool add_trunks(std::size_t cut, std::size_t operations);
  std::int64_t period_behind(std::size_t cut, std::size_t operations, bool down) const;
  bool refuse(std::string reason);
  Trunk& trunk_for(std::int64_t height, std::int64_t width);

  const Sequential& model_;
  const Scene& scene_;
  PredictOptions options_;
  std::string reason_;
  std::vector<Operation> whole_;  // what the model runs
  Axis y_, x_;
  std::vector<Trunk> trunks_;
  Sequential head_;
  Tensor parts_;  // of maps, as the head takes them
  std::int64_t chunk_ = 1;
};

}  // namespace linn::shift
