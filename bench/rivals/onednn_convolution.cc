// oneDNN: one convolution, alone or with the pooling behind it, with the layouts that its primitives ask for.
//
// All that they read is laid out beforehand, kernels too, and what they write stays as they like it; only between primitives that are
// timed together is there a reorder, where one wants another layout than the other made. In inference, bias and relu are part of the
// convolution's primitive; relu after a transposed convolution is a primitive of its own, because oneDNN 2.6 has only its slow reference
// for both in one.
#include <omp.h>

#include "convolution.h"
#include "onednn_program.h"

namespace {

using namespace rivals::onednn;
using rivals::Axis;
using rivals::Convolution;

class Runner {
 public:
  Runner(const Convolution& c, dnnl::algorithm algorithm) : c_(c), algorithm_(algorithm), timed_(engine_, stream_) {
    if (c_.transposed) {
      output_ = finish_forward(timed_, add_forward<dnnl::deconvolution_forward>(timed_)).pooled;
      return;
    }
    if (!c_.backward()) {
      output_ = finish_forward(timed_, add_forward<dnnl::convolution_forward>(timed_)).pooled;
      return;
    }
    const auto forward = describe_forward<dnnl::convolution_forward>();
    if (c_.pooled()) spread_ = add_pooling_gradient(forward.dst_desc());
    if (c_.gives_input_gradient()) add_input_gradient(forward);
    if (c_.gives_kernel_gradient()) add_kernel_gradient(forward);
  }

  void run() { timed_.run(); }

  std::vector<float> sketches() {
    std::vector<float> result;
    if (output_) append_sketch(output_, plain(pooled_, Tag::nhwc), result);
    if (input_gradient_) append_sketch(input_gradient_, plain(map_, Tag::nhwc), result);
    if (kernel_gradient_) append_sketch(kernel_gradient_, keras_kernel(), result);
    return result;
  }

 private:
  struct Pooling {
    dnnl::pooling_forward::primitive_desc desc;
    memory pooled, workspace;
  };

  // Of dnnl::convolution_forward or dnnl::deconvolution_forward.
  template <class Forward>
  typename Forward::primitive_desc describe_forward() const {
    const memory::desc map = wished(map_), kernel = wished(kernel_), convolved = wished(convolved_);
    if (!c_.infers())
      return describe<Forward>(engine_, {}, dnnl::prop_kind::forward_training, algorithm_, map, kernel, convolved, stride_, dilation_,
                               before_, after_);
    dnnl::primitive_attr attributes;
    if (!c_.transposed) {
      dnnl::post_ops relu;
      append_relu(relu);
      attributes.set_post_ops(relu);
    }
    return describe<Forward>(engine_, attributes, dnnl::prop_kind::forward_inference, algorithm_, map, kernel, bias_, convolved, stride_,
                             dilation_, before_, after_);
  }

  dnnl::pooling_forward::primitive_desc describe_pooling(const memory::desc& convolved) const {
    const auto kind = c_.infers() ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training;
    return std::apply(
        [&](const auto&... sizes) {
          return describe<dnnl::pooling_forward>(engine_, {}, kind, pooling_algorithm(), convolved, wished(pooled_), sizes...);
        },
        pool_sizes_);
  }

  // Keras's layout [rows, columns, channels of a group, filters], or of a transposed convolution [rows, columns, filters, channels].
  memory::desc keras_kernel() const {
    const int channels = c_.channels / c_.groups, filters = c_.filters;
    const memory::dim column = std::int64_t{channels} * filters, row = column * c_.window_width;
    if (c_.transposed) return {kernel_, Type::f32, Dims{channels, 1, row, column}};
    if (c_.groups == 1) return {kernel_, Type::f32, Dims{1, filters, row, column}};
    return {kernel_, Type::f32, Dims{filters / c_.groups, 1, filters, row, column}};
  }

  Dims kernel_dims() const {
    if (c_.groups == 1) return {c_.filters, c_.channels, c_.window_height, c_.window_width};
    return {c_.groups, c_.filters / c_.groups, c_.channels / c_.groups, c_.window_height, c_.window_width};
  }

  // The numbers of a seed, which stand in the layout `from`, in the layout `desc`.
  memory laid_out(const memory::desc& from, unsigned seed, const memory::desc& desc) {
    std::vector<float> values = rivals::numbers(from.get_size() / sizeof(float), seed);
    memory user(from, engine_, values.data());
    memory made = timed_.make(desc);
    dnnl::reorder(user, made).execute(stream_, user, made);
    stream_.wait();
    return made;
  }
  memory input(const memory::desc& desc) { return laid_out(plain(map_, Tag::nhwc), rivals::input_seed, desc); }
  memory kernel(const memory::desc& desc) { return laid_out(keras_kernel(), rivals::kernel_seed, desc); }

  template <class Forward>
  memory add_forward(Program& program) {
    const auto forward = describe_forward<Forward>();
    memory convolved = program.make(forward.dst_desc());
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, input(forward.src_desc())}, {DNNL_ARG_WEIGHTS, kernel(forward.weights_desc())}, {DNNL_ARG_DST, convolved}};
    if (c_.infers()) arguments[DNNL_ARG_BIAS] = laid_out(bias_, rivals::bias_seed, bias_);
    program.add(Forward(forward), std::move(arguments));
    if (c_.transposed) add_relu(program, convolved);
    return convolved;
  }

  void add_relu(Program& program, const memory& map) {
    program.add(dnnl::eltwise_forward(describe_relu(engine_, map.get_desc())), {{DNNL_ARG_SRC, map}, {DNNL_ARG_DST, map}});
  }

  // The pooling, if there is one.
  Pooling finish_forward(Program& program, const memory& convolved) {
    if (!c_.pooled()) return {.desc = {}, .pooled = convolved, .workspace = {}};
    Pooling p;
    p.desc = describe_pooling(convolved.get_desc());
    p.pooled = program.make(p.desc.dst_desc());
    std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, convolved}, {DNNL_ARG_DST, p.pooled}};
    if (p.desc.workspace_desc().get_size() > 0) arguments[DNNL_ARG_WORKSPACE] = p.workspace = program.make(p.desc.workspace_desc());
    program.add(dnnl::pooling_forward(p.desc), std::move(arguments));
    return p;
  }

  dnnl::algorithm pooling_algorithm() const {
    return c_.pools_max() ? dnnl::algorithm::pooling_max : dnnl::algorithm::pooling_avg_exclude_padding;
  }

  // From the pooled map to the whole one. The forward pass, which it needs, runs here and now.
  memory add_pooling_gradient(const memory::desc& convolved) {
    Program before(engine_, stream_);
    const Pooling p = finish_forward(before, add_forward<dnnl::convolution_forward>(before));
    before.run();
    const auto backward = std::apply(
        [&](const auto&... sizes) {
          return describe_gradient<dnnl::pooling_backward>(engine_, p.desc, pooling_algorithm(), convolved, p.desc.dst_desc(), sizes...);
        },
        pool_sizes_);
    const memory spread = timed_.make(backward.diff_src_desc());
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_DIFF_DST, laid_out(plain(pooled_, Tag::nhwc), rivals::output_gradient_seed, backward.diff_dst_desc())},
        {DNNL_ARG_DIFF_SRC, spread}};
    if (p.workspace) arguments[DNNL_ARG_WORKSPACE] = p.workspace;
    timed_.add(dnnl::pooling_backward(backward), std::move(arguments));
    return spread;
  }

  // A gradient of the convolution's output as a primitive wants it: by a timed reorder if a pooling made it, else beforehand.
  memory output_gradient(const memory::desc& desc) {
    return c_.pooled() ? timed_.in_layout(spread_, desc) : laid_out(plain(convolved_, Tag::nhwc), rivals::output_gradient_seed, desc);
  }

  void add_input_gradient(const dnnl::convolution_forward::primitive_desc& forward) {
    const auto data = describe_gradient<dnnl::convolution_backward_data>(engine_, forward, algorithm_, wished(map_), wished(kernel_),
                                                                         wished(convolved_), stride_, dilation_, before_, after_);
    input_gradient_ = timed_.make(data.diff_src_desc());
    timed_.add(dnnl::convolution_backward_data(data), {{DNNL_ARG_WEIGHTS, kernel(data.weights_desc())},
                                                       {DNNL_ARG_DIFF_DST, output_gradient(data.diff_dst_desc())},
                                                       {DNNL_ARG_DIFF_SRC, input_gradient_}});
  }

  void add_kernel_gradient(const dnnl::convolution_forward::primitive_desc& forward) {
    const auto weights = describe_gradient<dnnl::convolution_backward_weights>(engine_, forward, algorithm_, wished(map_), wished(kernel_),
                                                                               wished(convolved_), stride_, dilation_, before_, after_);
    kernel_gradient_ = timed_.make(weights.diff_weights_desc());
    timed_.add(dnnl::convolution_backward_weights(weights), {{DNNL_ARG_SRC, input(weights.src_desc())},
                                                             {DNNL_ARG_DIFF_DST, output_gradient(weights.diff_dst_desc())},
                                                             {DNNL_ARG_DIFF_WEIGHTS, kernel_gradient_}});
  }

  void append_sketch(const memory& result, const memory::desc& desc, std::vector<float>& to) {
    Program after(engine_, stream_);
    const memory readable = after.in_layout(result, desc);
    after.run();
    for (const float value : rivals::sketch(data_of(readable), desc.get_size() / sizeof(float))) to.push_back(value);
  }

  Convolution c_;
  dnnl::algorithm algorithm_;
  Axis rows_ = c_.rows(), columns_ = c_.columns();
  Dims map_{c_.batch, c_.channels, c_.height, c_.width};
  Dims kernel_ = kernel_dims();
  Dims convolved_{c_.batch, c_.filters, rows_.out, columns_.out};
  Dims pooled_{c_.batch, c_.filters, c_.out_height(), c_.out_width()};
  Dims stride_{c_.stride, c_.stride}, dilation_{c_.dilation - 1, c_.dilation - 1};
  Dims before_{rows_.before, columns_.before}, after_{rows_.after, columns_.after};
  Dims pool_window_ = c_.pools_globally() ? Dims{rows_.out, columns_.out} : Dims{c_.pool_height, c_.pool_width};
  decltype(pool_sizes({}, {})) pool_sizes_ = pool_sizes({c_.pool_stride, c_.pool_stride}, pool_window_);
  memory::desc bias_ = plain({c_.filters}, Tag::x);
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Program timed_;
  memory spread_;  // the pooled map's gradient over the whole map
  memory output_, input_gradient_, kernel_gradient_;
};

// `algorithm` by the name that deconvolutions have for it; they have no "auto".
bool for_transposed(dnnl::algorithm& algorithm) {
  if (algorithm == dnnl::algorithm::convolution_auto) return false;
  algorithm =
      algorithm == dnnl::algorithm::convolution_direct ? dnnl::algorithm::deconvolution_direct : dnnl::algorithm::deconvolution_winograd;
  return true;
}

rivals::Rival prepare(const rivals::Task& task) {
  omp_set_num_threads(task.threads);
  const Convolution c = rivals::read_convolution(task);
  rivals::Rival rival = {.versions = versions(), .settings = {}};
  for (auto [name, algorithm] : convolution_algorithms) {
    if (c.transposed && !for_transposed(algorithm)) continue;
    rival.settings.emplace_back(std::string("blocked layouts, convolution ") + name, [=, algorithm = algorithm]() -> rivals::Setting {
      auto runner = std::make_shared<Runner>(c, algorithm);
      return {.run =
                  [=](int batches) {
                    for (int i = 0; i < batches; ++i) runner->run();
                    return 0.0;
                  },
              .outputs = [=] { return runner->sketches(); }};
    });
  }
  return rival;
}

}  // namespace

int main(int argc, char** argv) { return rivals::run_child(argc, argv, prepare); }
