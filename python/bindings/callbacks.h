// Callbacks that are Python objects, Ctrl-C, and text that goes to a Python function.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bindings/casters.h"
#include "linn/train.h"

namespace linn::python {

/// An exception of Python that came where it could not be thrown; the next callback throws it.
using Pending = std::shared_ptr<std::exception_ptr>;

/// A function of Python as one that may be called from anywhere. What it throws is kept in `pending`.
std::function<void(const std::string&)> print_function(const nb::object& function, const Pending& pending);

/// Callbacks as a list of Python holds them: callbacks of linn (Native) as they are, others by their methods; in front of them one that lets
/// Ctrl-C through, and shows `model` the Trainer as long as it trains.
std::vector<CallbackHandle> callback_handles(const nb::object& model, const nb::list& callbacks, const Pending& pending);

}  // namespace linn::python
