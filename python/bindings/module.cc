// linn._linn: the C++ library as the package's Python files call it. It is no interface for users.
#include "bindings/bindings.h"

NB_MODULE(_linn, module) {
  module.doc() = "The engine of linn. The package's Python files are its interface.";
  linn::python::bind_errors(module);
  linn::python::bind_registry(module);
  linn::python::bind_layers(module);
  linn::python::bind_callbacks(module);
  linn::python::bind_model(module);
  linn::python::bind_shift(module);
}
