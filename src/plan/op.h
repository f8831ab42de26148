// One operation of a plan.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/checked.h"
#include "kernels/geometry.h"
#include "kernels/implementation.h"
#include "plan/value.h"

namespace linn::detail::plan {

class Gradients;

/// How workers share an op.
enum class Cut : std::uint8_t {
  images,   // by shards of a fixed number of images; the op must treat each image alone
  outputs,  // by pieces of its output, after a barrier: the op sees the whole batch
};

/// A batch as rows of a data set: image i is row index[first + i], or row first + i if index is null.
struct Rows {
  const void* data = nullptr;
  const std::int64_t* index = nullptr;
  std::int64_t first = 0;
};

/// The data of a step besides the batch.
struct StepInfo {
  std::uint64_t seed = 0;
  std::int64_t step = 0;  // steps done before this one
  double learning_rate = 0;
  /// Passes through the data before this one, and where image i of the batch stands in the data set: at `order[first_sample + i]`, or at
  /// first_sample + i where `order` is null. Ops whose random numbers belong to an image, not to a step, draw by both.
  std::int64_t epoch = 0;
  const std::int64_t* order = nullptr;
  std::int64_t first_sample = 0;

  std::int64_t sample(std::int64_t image) const { return order == nullptr ? first_sample + image : order[first_sample + image]; }
};

/// One call of an op: the memory of its values, and the part of the work.
struct Call {
  Precision precision = Precision::float32;
  const StepInfo* step = nullptr;
  const Rows* sources = nullptr;  // by source number
  std::int64_t batch = 0;         // images in the whole batch
  std::int64_t first = 0;         // first image of this call (cut by images), else 0
  std::int64_t images = 0;        // images of this call (cut by images), else the whole batch
  std::int64_t piece = 0;         // number of the piece (cut by outputs)
  std::int64_t part = 0, parts = 1;  // of each image, which this call computes alone (Op::most_parts)
  std::int64_t area = 0, first_in_area = 0;  // whose memory holds the values within the segment, and the place of image `first` in it
  void* const* inputs = nullptr;  // batch values: at image `first`; undefined values: null
  void* const* outputs = nullptr;
  void* scratch = nullptr;

  template <class T>
  const T* in(std::size_t i) const {
    return static_cast<const T*>(inputs[i]);
  }
  template <class T>
  T* out(std::size_t i) const {
    return static_cast<T*>(outputs[i]);
  }
};

/// `part` is the block of the map `whole` that begins at pixel (y, x) and at `channel`.
struct Section {
  Value part, whole;
  std::int64_t y = 0, x = 0, channel = 0;
};

/// A weight in the layout of an implementation: the op reads `source` packed to this number of elements as its input `slot`.
struct Packing {
  Value source;
  std::size_t slot = 0;
  std::int64_t elements = 0;
};

/// The share of part `call.part` in `count` things that belong together in steps of `step`: [begin, end), perhaps empty.
struct Share {
  std::int64_t begin, end;
};
inline Share share_of(const Call& call, std::int64_t count, std::int64_t step) {
  const std::int64_t steps = core::ceil_div(count, step);
  return {std::min(steps * call.part / call.parts * step, count), std::min(steps * (call.part + 1) / call.parts * step, count)};
}

/// One step of a plan. `inputs` and `outputs` are its slots; an absent input is an undefined Value.
class Op {
 public:
  virtual ~Op() = default;

  virtual std::string_view name() const = 0;
  /// The chosen kernel implementations, for LINN_VERBOSE and profiles. Valid after prepare().
  virtual std::string implementation() const = 0;
  virtual Cut cut() const { return Cut::images; }
  /// Number of pieces of the output (cut by outputs). Depends only on the op.
  virtual std::int64_t pieces() const { return 1; }
  /// Cut by images: the most parts into which workers may cut the output of each image, if there are fewer images than workers. A call with
  /// `parts` above 1 computes one of them, which has the bits of the whole. Valid after prepare().
  virtual std::int64_t most_parts() const { return 1; }
  /// Whether workers should rather share parts than images: true where every call reads weights that are large beside the images.
  virtual bool prefers_parts() const { return false; }
  /// Inputs whose memory the first output may use if no later op reads the input, best first. The kernel must read element i before it
  /// writes element i, and must not read it afterwards.
  virtual std::vector<std::size_t> in_place() const { return {}; }
  /// The blocks that the op copies, if it only copies: the parts of a concatenation, a crop. make_views (views.h) makes views of some.
  virtual std::vector<Section> sections() const { return {}; }
  /// Called by make_views: this section is a view now, and is not copied.
  virtual void leave_out(std::size_t /*section*/) {}
  /// Whether all sections are views, so that the op has nothing to do.
  virtual bool is_view() const { return false; }
  /// The pitches with which the kernel reads input `slot` or writes output `slot`. Empty by default: the kernel needs a dense map.
  virtual kernels::PitchFields input_pitches(std::size_t /*slot*/) { return {}; }
  virtual kernels::PitchFields output_pitches(std::size_t /*slot*/) { return {}; }
  /// Elements of type `real` that one call on this number of images needs as scratch.
  virtual std::int64_t scratch(std::int64_t /*images*/) const { return 0; }
  /// Floating-point operations of all calls on a batch of this number of images, for profiles. Counts the direct form for every
  /// implementation; 0 for ops of little arithmetic.
  virtual double flops(std::int64_t /*images*/) const { return 0; }
  /// Bytes that the op reads from a data source for each image, for profiles. A data source is no value of the plan.
  virtual std::int64_t source_bytes() const { return 0; }

  /// If the op can compute the same result more exactly from the input of `producer`, which makes the op's first input: reads that input
  /// instead and returns true. Example: crossentropy reads the logits before a softmax.
  virtual bool reach_through(const Op& /*producer*/) { return false; }
  /// The part of the first input, a map, that the op reads; empty: all of it.
  virtual std::optional<kernels::Part> reads() const { return std::nullopt; }
  /// Shrinks the first input to `part`, which covers everything this op reads. Called by the trim pass.
  virtual void narrow_input(const kernels::Part& /*part*/) {}
  /// Shrinks the first output to `part`. False: the op cannot, and nothing has changed. Called by the trim pass.
  virtual bool narrow_output(const kernels::Part& /*part*/) { return false; }
  /// Whether the op only computes inputs[0] times the kernel inputs[1], whose last axis is the output's channels, plus the bias inputs[2]
  /// (if defined). Then a scale and shift of the channels can be folded into kernel and bias.
  virtual bool is_affine() const { return false; }
  /// Replaces the kernel and the bias.
  virtual void set_affine(Value /*kernel*/, Value /*bias*/) {}
  /// Translation period of the output map, in cells (kernels::Numerics). If the input moves so that the output moves by a multiple of
  /// this, the output keeps its bits. 1: position invariant. 0: unknown. Valid after `prepare`.
  virtual std::int64_t period() const { return 0; }
  /// Told the images of a shard, once, before `prepare`: for ops that see the whole batch and sum in the order of shards.
  virtual void set_shard(std::int64_t /*images*/) {}
  /// Adds the ops that compute the gradients of this op's inputs.
  virtual void differentiate(Gradients& gradients) = 0;
  /// Chooses the kernel implementations. Called once, after all passes.
  virtual void prepare(const kernels::Policy& policy) = 0;
  /// Elements of the weights `packs` in the layout of the chosen implementation; 0 if it reads them as they are. Valid after prepare(). The
  /// plan makes a value of this size, sets it as input `packed_slot`, and calls `pack` to fill it before the op runs.
  virtual std::int64_t packed() const { return 0; }
  virtual Value packs() const { return {}; }
  /// By default the slot behind the last input.
  virtual std::size_t packed_slot() const { return inputs.size(); }
  virtual void pack(const float* /*kernel*/, float* /*packed*/) const {}
  /// All packed weights of the op, and the function that makes one of them. Ops with several weights override both; by default the weights
  /// above, if they have a layout of their own.
  virtual std::vector<Packing> packings() const {
    if (packed() == 0) return {};
    return {{packs(), packed_slot(), packed()}};
  }
  virtual void pack_one(std::size_t /*packing*/, const float* kernel, float* packed) const { pack(kernel, packed); }
  virtual void run(const Call& call) const = 0;

  /// Steps that are done once this one is over, counted in steps in which the op runs: the number of an optimizer's update, from 1.
  std::int64_t updates(const Call& call) const { return call.step->step / every + 1; }

  std::string layer;  // name of the layer, loss or optimizer that added the op
  std::int64_t every = 1;  // runs only in the last of so many steps
  std::vector<Value> inputs;
  std::vector<Value> outputs;
};

/// An op whose `compute<T>` works for float and double.
template <class Derived>
class RealOp : public Op {
 public:
  void run(const Call& call) const final {
    const auto& self = static_cast<const Derived&>(*this);
    if (call.precision == Precision::float64)
      self.template compute<double>(call);
    else
      self.template compute<float>(call);
  }
};

/// A kernel with its problem and, after `prepare`, its chosen implementation.
template <class Kernel>
class KernelUse {
 public:
  using Problem = typename Kernel::Problem;

  KernelUse() = default;
  explicit KernelUse(Problem problem) : problem_(problem) {}

  Problem& problem() { return problem_; }
  const Problem& problem() const { return problem_; }
  void prepare(const kernels::Policy& policy) { implementation_ = kernels::choose<Kernel>(problem_, policy); }
  std::string implementation() const {
    if (!implementation_) return std::string(Kernel::name) + ".unprepared";
    return std::string(Kernel::name) + '.' + implementation_->full_name();
  }
  /// Valid after prepare().
  const kernels::Implementation<Kernel>& chosen() const { return *implementation_; }
  std::int64_t period() const { return implementation_->numerics.translation_period(); }
  std::int64_t scratch(std::int64_t images) const { return implementation_->scratch(problem_, images); }
  std::int64_t packed() const { return implementation_->packed(problem_); }
  std::int64_t row_step() const { return implementation_->row_step; }
  std::int64_t channel_step() const { return implementation_->channel_step; }
  void pack(const float* kernel, float* packed) const { implementation_->pack(problem_, kernel, packed); }

  template <class T>
  void run(const typename Kernel::template Args<T>& args) const {
    run<T>(problem_, args);
  }
  /// For a part of the problem: some rows or columns of its output.
  template <class T>
  void run(const Problem& part, const typename Kernel::template Args<T>& args) const {
    if constexpr (std::is_same_v<T, float>)
      implementation_->run(part, args);
    else
      Kernel::template reference<T>(part, args);
  }

 private:
  Problem problem_{};
  std::optional<kernels::Implementation<Kernel>> implementation_;
};

/// An op of one kernel. Ops whose output is a map override `period` with the kernel's. Ops whose kernel has implementations with packed
/// weights override `packs`.
template <class Derived, class Kernel>
class KernelOp : public RealOp<Derived> {
 public:
  using Problem = typename Kernel::Problem;

  explicit KernelOp(const Problem& problem = {}) : kernel_(problem) {}

  const Problem& problem() const { return kernel_.problem(); }
  std::string implementation() const override { return kernel_.implementation(); }
  std::int64_t scratch(std::int64_t images) const override { return kernel_.scratch(images); }
  void prepare(const kernels::Policy& policy) override { kernel_.prepare(policy); }
  std::int64_t packed() const override { return kernel_.packed(); }
  void pack(const float* kernel, float* packed) const override { kernel_.pack(kernel, packed); }

 protected:
  KernelUse<Kernel> kernel_;
};

/// A KernelOp that computes gradients. It has no gradient itself.
template <class Derived, class Kernel>
class GradientOp : public KernelOp<Derived, Kernel> {
 public:
  using KernelOp<Derived, Kernel>::KernelOp;

  void differentiate(Gradients&) override {}
};

/// A KernelOp of small arithmetic between two barriers: it sees the whole batch. Without a gradient, unless it says otherwise.
template <class Derived, class Kernel>
class WholeOp : public GradientOp<Derived, Kernel> {
 public:
  using GradientOp<Derived, Kernel>::GradientOp;

  Cut cut() const override { return Cut::outputs; }
};

/// A WholeOp on the elements of fixed values, cut into pieces of elements.
template <class Derived, class Kernel>
class PiecesOp : public WholeOp<Derived, Kernel> {
 public:
  using WholeOp<Derived, Kernel>::WholeOp;

  std::int64_t pieces() const override { return core::ceil_div(elements(), piece_elements); }

 protected:
  static constexpr std::int64_t piece_elements = 1 << 14;

  /// Of the first input.
  std::int64_t elements() const { return this->inputs[0].shape.elements(); }
  std::int64_t offset(const Call& call) const { return call.piece * piece_elements; }
  std::int64_t count(const Call& call) const { return std::min(piece_elements, elements() - offset(call)); }
};

/// A KernelOp whose kernel slides a window over a map; Problem has a member `geometry`.
template <class Derived, class Kernel>
class WindowOp : public KernelOp<Derived, Kernel> {
 public:
  using KernelOp<Derived, Kernel>::KernelOp;

  std::optional<kernels::Part> reads() const override { return kernels::seen(this->problem().geometry); }
  kernels::PitchFields input_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::src_pitches(this->kernel_.problem().geometry) : kernels::PitchFields{};
  }
  kernels::PitchFields output_pitches(std::size_t slot) override {
    return slot == 0 ? kernels::dst_pitches(this->kernel_.problem().geometry) : kernels::PitchFields{};
  }
  void narrow_input(const kernels::Part& part) override { kernels::keep_src(this->kernel_.problem().geometry, part); }
  bool narrow_output(const kernels::Part& part) override {
    kernels::keep_dst(this->kernel_.problem().geometry, part);
    return true;
  }
};

}  // namespace linn::detail::plan
