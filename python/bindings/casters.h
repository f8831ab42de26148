// How shapes, tensors and lists of tensors cross between Python and C++.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "linn/fit.h"
#include "linn/shape.h"
#include "linn/tensor.h"

namespace linn::python {

namespace nb = nanobind;

/// The tensor of a numpy array that is row-major and of a type that linn has; None is no tensor. The tensor keeps the array alive and shares its
/// memory. False for anything else. python/linn/_arrays.py makes such arrays of what people have.
bool to_tensor(nb::handle array, Tensor& tensor) noexcept;
/// A numpy array that shares the tensor's memory and keeps it alive; None for no tensor.
nb::object to_array(const Tensor& tensor);
/// A tuple; None where a size is open.
nb::tuple to_tuple(const Shape& shape);
/// From any sequence of whole numbers and None. False for anything else.
bool to_shape(nb::handle sequence, Shape& shape) noexcept;

}  // namespace linn::python

NAMESPACE_BEGIN(NB_NAMESPACE)
NAMESPACE_BEGIN(detail)

template <>
struct type_caster<linn::Tensor> {
  NB_TYPE_CASTER(linn::Tensor, const_name("numpy.ndarray | None"))
  bool from_python(handle source, std::uint8_t /*flags*/, cleanup_list* /*cleanup*/) noexcept { return linn::python::to_tensor(source, value); }
  static handle from_cpp(const linn::Tensor& tensor, rv_policy /*policy*/, cleanup_list* /*cleanup*/) { return linn::python::to_array(tensor).release(); }
};

template <>
struct type_caster<linn::Shape> {
  NB_TYPE_CASTER(linn::Shape, const_name("tuple[int | None, ...]"))
  bool from_python(handle source, std::uint8_t /*flags*/, cleanup_list* /*cleanup*/) noexcept { return linn::python::to_shape(source, value); }
  static handle from_cpp(const linn::Shape& shape, rv_policy /*policy*/, cleanup_list* /*cleanup*/) { return linn::python::to_tuple(shape).release(); }
};

/// One array, a list of them, or a dict by name.
template <>
struct type_caster<linn::Tensors> {
  NB_TYPE_CASTER(linn::Tensors, const_name("numpy.ndarray | list[numpy.ndarray] | dict[str, numpy.ndarray] | None"))
  bool from_python(handle source, std::uint8_t flags, cleanup_list* cleanup) noexcept {
    if (source.is_none()) return true;
    if (PyDict_Check(source.ptr())) {
      make_caster<std::map<std::string, linn::Tensor>> named;
      if (!named.from_python(source, flags, cleanup)) return false;
      value = linn::Tensors(std::move(named.value));
      return true;
    }
    if (PyList_Check(source.ptr())) {
      make_caster<std::vector<linn::Tensor>> list;
      if (!list.from_python(source, flags, cleanup)) return false;
      value = linn::Tensors(std::move(list.value));
      return true;
    }
    linn::Tensor one;
    if (!linn::python::to_tensor(source, one)) return false;
    value = linn::Tensors(one);
    return true;
  }
};

NAMESPACE_END(detail)
NAMESPACE_END(NB_NAMESPACE)
