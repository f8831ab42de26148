// Which calls into the engine may run at once.
//
// What changes or trains a model runs alone; predictions run beside each other, and beside a training. Calls that keep Python's global lock
// exclude each other by that alone; the locks here are for those that let go of it while the engine works. A thread never waits for one of
// these locks while it holds Python's.
#pragma once

#include <nanobind/nanobind.h>

#include <mutex>
#include <shared_mutex>
#include <thread>

namespace linn::python {

/// fit, evaluate and the steps on one batch. May be entered again by a callback of the training that is on.
class Training {
 public:
  Training();
  ~Training();
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;
};

/// predict and everything else that reads weights while Python's lock is free.
class Reading {
 public:
  Reading();
  ~Reading();
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
};

/// Waits for all readings and for trainings of other threads, and keeps new ones from beginning. Needs Python's lock, which it holds again when
/// it is made. RuntimeError from within a callback of `predict`, and, where the layers or what was compiled change (`structure`), from within a
/// callback of a training.
class Change {
 public:
  explicit Change(const char* call, bool structure = false);
  ~Change();
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
};

}  // namespace linn::python
