// room: core
// The errors that linn throws. Every text says where, what came, what is allowed and what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace linn {

/// Base of everything linn throws on purpose. `what()` is a sentence for a person.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Shapes that do not fit each other, a layer or a model.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// An argument outside its allowed values, an unknown name.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A call at the wrong time: `fit` before `compile`, weights before the model is built.
class StateError : public Error {
 public:
  using Error::Error;
};

/// Data that parse but do not make sense: label 10 of 10 classes, images and labels of different counts.
class DataError : public Error {
 public:
  using Error::Error;
};

/// Bytes that are not the format they claim to be. The text carries file, member or tensor, and offset.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused: open, read, write, rename. The text carries path and reason.
class IoError : public Error {
 public:
  using Error::Error;
};

/// A loss, a gradient or a weight became NaN or infinite in a training step. The text says in which step and where first, and what to try.
class NonFiniteError : public Error {
 public:
  using Error::Error;
};

/// More memory than there is or than a limit allows. The text says how much was needed.
class MemoryError : public Error {
 public:
  using Error::Error;
};

}  // namespace linn
