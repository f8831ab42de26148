// linn's errors as the exceptions of linn/errors.py.
#include <exception>

#include "bindings/bindings.h"
#include "linn/error.h"

namespace linn::python {
namespace {

namespace nb = nanobind;

void raise(const char* name, const char* text) {
  try {
    const nb::object type = nb::module_::import_("linn.errors").attr(name);
    PyErr_SetString(type.ptr(), text);
  } catch (nb::python_error& error) {
    error.restore();
  }
}

void translate(const std::exception_ptr& thrown, void* /*payload*/) {
  try {
    std::rethrow_exception(thrown);
  } catch (const ShapeError& error) {
    raise("ShapeError", error.what());
  } catch (const ValueError& error) {
    raise("ValueError", error.what());
  } catch (const StateError& error) {
    raise("StateError", error.what());
  } catch (const DataError& error) {
    raise("DataError", error.what());
  } catch (const FormatError& error) {
    raise("FormatError", error.what());
  } catch (const IoError& error) {
    raise("IoError", error.what());
  } catch (const NonFiniteError& error) {
    raise("NonFiniteError", error.what());
  } catch (const MemoryError& error) {
    raise("MemoryError", error.what());
  }
}

}  // namespace

void bind_errors(nb::module_& /*module*/) { nb::register_exception_translator(translate); }

}  // namespace linn::python
