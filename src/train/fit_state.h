// The place of a fit: all that changes from step to step beside the model, so that a checkpoint can hold it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "formats/training_state.h"
#include "io/json.h"
#include "linn/dataset.h"
#include "linn/train.h"
#include "train/network.h"

namespace linn::detail::train {

/// What a fit is of: each entry a text that must be the same when it goes on, under the name by which a difference is allowed.
using FitIdentity = std::map<std::string, std::string>;

struct FitState {
  std::int64_t epoch = 0;
  bool in_epoch = false;             // its first step is done, or it was begun
  std::int64_t step = 0;             // done in this epoch
  std::int64_t steps_per_epoch = 0;  // of this epoch; 0: nobody knows
  std::int64_t pass_step = 0;        // done in this pass through the data, which may take several epochs
  std::int64_t first_step = 0;       // of the model's life, when the fit began
  std::int64_t seen = 0;             // of a data set: images since the pass began
  std::int64_t largest_batch = 0;    // of a data set
  bool pass_over = false;            // of a data set: the next epoch begins a pass
  std::optional<DatasetPosition> position = {};  // of a data set
  bool stopped = false;              // a callback asked for it
  BatchSums sums = {};               // of this epoch
  History history = {};
};

/// The tensors of callbacks go into `tensors` as "callback/INDEX/NAME".
io::Json fit_state_to_json(const FitState& state, const FitIdentity& identity, const std::vector<CallbackHandle>& callbacks, NamedTensors& tensors);
/// FormatError for what this linn does not write.
FitState fit_state_from_json(const io::Json& json, const std::string& where);

/// StateError that lists each difference between the identity in `json` and that of this fit whose name is not among `allowed`, and says what
/// to do about it.
void check_identity(const io::Json& json, const FitIdentity& now, const std::vector<std::string>& allowed, const std::string& where);

/// Gives each callback that remembers something the state that it had. StateError for other callbacks, unless "callbacks" is among `allowed`: then those of the same class
/// at the same place go on, and the others begin anew.
void restore_callbacks(const io::Json& json, const NamedTensors& tensors, const std::vector<CallbackHandle>& callbacks, const std::vector<std::string>& allowed,
                       const std::string& where);

/// The names that `FitOptions::allow_changed` may hold. ValueError for another one.
void check_allowed(const std::vector<std::string>& allowed);

}  // namespace linn::detail::train
