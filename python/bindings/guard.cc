#include "bindings/guard.h"

#include <string>

#include "linn/error.h"

namespace linn::python {
namespace {

std::recursive_mutex training;
std::shared_mutex weights;
thread_local int trainings_here = 0;
thread_local int readings_here = 0;

}  // namespace

Training::Training() {
  training.lock();
  ++trainings_here;
}

Training::~Training() {
  --trainings_here;
  training.unlock();
}

Reading::Reading() {
  if (readings_here++ == 0) weights.lock_shared();
}

Reading::~Reading() {
  if (--readings_here == 0) weights.unlock_shared();
}

Change::Change(const char* call, bool structure) {
  if (readings_here > 0) throw StateError(std::string(call) + ": a callback of predict cannot change the model that predicts");
  if (structure && trainings_here > 0) throw StateError(std::string(call) + ": a callback of fit or evaluate cannot change what is being trained");
  const nanobind::gil_scoped_release free;
  training.lock();
  weights.lock();
}

Change::~Change() {
  weights.unlock();
  training.unlock();
}

}  // namespace linn::python
