// The parts of the extension module linn._linn.
#pragma once

#include <nanobind/nanobind.h>

namespace linn::python {

void bind_errors(nanobind::module_& module);
void bind_registry(nanobind::module_& module);
void bind_layers(nanobind::module_& module);
void bind_callbacks(nanobind::module_& module);
void bind_model(nanobind::module_& module);
void bind_shift(nanobind::module_& module);

}  // namespace linn::python
