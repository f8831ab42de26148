// Values of many variables at once.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "layers/layer_object.h"
#include "linn/layer.h"
#include "linn/tensor.h"

namespace linn::detail {

/// Collects what goes into which variable, and everything that does not fit. Shapes are compared as values are added; values are read and
/// set by `finish`, all or none, or those that fit.
class Assignment {
 public:
  /// `owner` is whose the variables are, `model "net"`.
  explicit Assignment(std::string owner) : owner_(std::move(owner)) {}

  /// A value of this shape for the variable, which `read` gives. `place` is where it stands, where that is not the variable's name.
  void add(const NamedVariable& variable, const Shape& shape, std::function<Tensor()> read, std::string_view place = {}) {
    add(variable, shape, variable.shape(), std::move(read), place);
  }
  /// The same where the value stands in another shape than the variable's: `wanted` is what `shape` must be.
  void add(const NamedVariable& variable, const Shape& shape, const Shape& wanted, std::function<Tensor()> read, std::string_view place);
  /// The variable gets a copy.
  void add(const NamedVariable& variable, const Tensor& value) {
    add(variable, value.shape(), [value] { return value.astype(DType::f32); });
  }
  /// A variable that gets no value.
  void add_missing(const NamedVariable& variable, std::string_view place = {});
  /// Anything else that is wrong.
  void add_problem(std::string problem);

  /// Sets the values. Every problem is in one message that begins with `where`: ShapeError if shapes are all that is wrong, else
  /// ValueError; no variable is changed then. With `skip_mismatch` what fits is set, and the report holds the problems.
  LoadReport finish(const std::string& where, bool skip_mismatch = false);

 private:
  struct Entry {
    NamedVariable variable;
    std::function<Tensor()> read;
  };

  std::string owner_;
  std::vector<Entry> entries_;
  std::vector<std::string> problems_;
  bool shapes_only_ = true;
};

/// A variable, and the tensor by whose name and shape its value stands elsewhere.
struct NamedSource {
  NamedVariable variable;
  std::string name;
  Shape shape;
  std::function<Tensor(const Tensor&)> value;  // the variable's value, of the tensor
};
/// Puts tensors into variables by name (Assignment). A tensor that no variable takes is a problem too.
LoadReport assign_by_name(std::span<const NamedSource> sources, std::span<const std::pair<std::string, Tensor>> tensors,
                          const std::string& owner, const std::string& where, bool skip_mismatch = false);

/// Puts values into variables by name, all or none: see Assignment.
void set_values(std::span<const NamedVariable> variables, std::span<const std::pair<std::string, Tensor>> values, const std::string& owner,
                const std::string& where);
/// The same with tensors that nobody else will change: the variables share them, and nothing is copied.
void take_values(std::span<const NamedVariable> variables, std::vector<std::pair<std::string, Tensor>> values, const std::string& owner,
                 const std::string& where);
/// The same for values in the order of the variables. ValueError for another number of them.
void set_values(std::span<const NamedVariable> variables, std::span<const Tensor> values, const std::string& owner,
                const std::string& where);

}  // namespace linn::detail
