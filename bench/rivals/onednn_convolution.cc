// oneDNN: one convolution, alone or with the pooling behind it, with the layouts that its primitives ask for.
//
// All that they read is laid out beforehand, kernels too, and what they write stays as they like it; only between primitives that are
// timed together is there a reorder, where one wants another layout than the other made.
#include <omp.h>

#include "convolution.h"
#include "onednn_program.h"

namespace {

using namespace rivals::onednn;
using rivals::Convolution;

class Runner {
 public:
  Runner(const Convolution& c, dnnl::algorithm algorithm) : c_(c), algorithm_(algorithm), timed_(engine_, stream_) {
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, algorithm_, wished(map_), wished(kernel_), wished(map_), one_, one_, one_}, engine_);
    if (c_.mode == Convolution::Mode::forward) output_ = add_forward(timed_, forward);
    if (c_.mode == Convolution::Mode::pool_forward) output_ = add_pooling(timed_, forward).pooled;
    if (!c_.backward()) return;
    if (c_.pooled()) spread_ = add_pooling_gradient(forward);
    if (c_.gives_input_gradient()) add_input_gradient(forward);
    if (c_.gives_kernel_gradient()) add_kernel_gradient(forward);
  }

  void run() { timed_.run(); }

  std::vector<float> sketches() {
    std::vector<float> result;
    append_sketch(output_, Tag::nhwc, result);
    append_sketch(input_gradient_, Tag::nhwc, result);
    append_sketch(kernel_gradient_, Tag::hwio, result);
    return result;
  }

 private:
  struct Pooling {
    dnnl::pooling_forward::primitive_desc desc;
    memory pooled, workspace;
  };

  Dims output_dims() const { return c_.pooled() ? Dims{c_.batch, c_.channels, c_.height / 2, c_.width / 2} : map_; }

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
  memory kernel(const memory::desc& desc) { return laid_out(plain(kernel_, Tag::hwio), rivals::kernel_seed, desc); }

  memory add_forward(Program& program, const dnnl::convolution_forward::primitive_desc& forward) {
    memory convolved = program.make(forward.dst_desc());
    program.add(dnnl::convolution_forward(forward),
                {{DNNL_ARG_SRC, input(forward.src_desc())}, {DNNL_ARG_WEIGHTS, kernel(forward.weights_desc())}, {DNNL_ARG_DST, convolved}});
    return convolved;
  }

  // Convolution and pooling.
  Pooling add_pooling(Program& program, const dnnl::convolution_forward::primitive_desc& forward) {
    const memory convolved = add_forward(program, forward);
    Pooling p;
    p.desc = {{dnnl::prop_kind::forward_training, dnnl::algorithm::pooling_max, forward.dst_desc(), wished(output_dims()), two_, two_,
               none_, none_},
              engine_};
    p.pooled = program.make(p.desc.dst_desc());
    p.workspace = program.make(p.desc.workspace_desc());
    program.add(dnnl::pooling_forward(p.desc), {{DNNL_ARG_SRC, convolved}, {DNNL_ARG_DST, p.pooled}, {DNNL_ARG_WORKSPACE, p.workspace}});
    return p;
  }

  // From the pooled map to the whole one. The forward pass, which it needs, runs here and now.
  memory add_pooling_gradient(const dnnl::convolution_forward::primitive_desc& forward) {
    Program before(engine_, stream_);
    const Pooling p = add_pooling(before, forward);
    before.run();
    const dnnl::pooling_backward::primitive_desc backward(
        {dnnl::algorithm::pooling_max, forward.dst_desc(), p.desc.dst_desc(), two_, two_, none_, none_}, engine_, p.desc);
    const memory spread = timed_.make(backward.diff_src_desc());
    timed_.add(dnnl::pooling_backward(backward),
               {{DNNL_ARG_DIFF_DST, laid_out(plain(output_dims(), Tag::nhwc), rivals::output_gradient_seed, backward.diff_dst_desc())},
                {DNNL_ARG_WORKSPACE, p.workspace},
                {DNNL_ARG_DIFF_SRC, spread}});
    return spread;
  }

  // A gradient of the convolution's output as a primitive wants it: by a timed reorder if a pooling made it, else beforehand.
  memory output_gradient(const memory::desc& desc) {
    return c_.pooled() ? timed_.in_layout(spread_, desc) : laid_out(plain(map_, Tag::nhwc), rivals::output_gradient_seed, desc);
  }

  void add_input_gradient(const dnnl::convolution_forward::primitive_desc& forward) {
    const dnnl::convolution_backward_data::primitive_desc data({algorithm_, wished(map_), wished(kernel_), wished(map_), one_, one_, one_},
                                                               engine_, forward);
    input_gradient_ = timed_.make(data.diff_src_desc());
    timed_.add(dnnl::convolution_backward_data(data), {{DNNL_ARG_WEIGHTS, kernel(data.weights_desc())},
                                                       {DNNL_ARG_DIFF_DST, output_gradient(data.diff_dst_desc())},
                                                       {DNNL_ARG_DIFF_SRC, input_gradient_}});
  }

  void add_kernel_gradient(const dnnl::convolution_forward::primitive_desc& forward) {
    const dnnl::convolution_backward_weights::primitive_desc weights(
        {algorithm_, wished(map_), wished(kernel_), wished(map_), one_, one_, one_}, engine_, forward);
    kernel_gradient_ = timed_.make(weights.diff_weights_desc());
    timed_.add(dnnl::convolution_backward_weights(weights), {{DNNL_ARG_SRC, input(weights.src_desc())},
                                                             {DNNL_ARG_DIFF_DST, output_gradient(weights.diff_dst_desc())},
                                                             {DNNL_ARG_DIFF_WEIGHTS, kernel_gradient_}});
  }

  void append_sketch(const memory& result, Tag tag, std::vector<float>& to) {
    if (!result) return;
    Program after(engine_, stream_);
    const memory::desc desc = plain(result.get_desc().dims(), tag);
    const memory readable = after.in_layout(result, desc);
    after.run();
    for (const float value : rivals::sketch(data_of(readable), desc.get_size() / sizeof(float))) to.push_back(value);
  }

  Convolution c_;
  dnnl::algorithm algorithm_;
  Dims map_{c_.batch, c_.channels, c_.height, c_.width};
  Dims kernel_{c_.channels, c_.channels, 3, 3};
  Dims one_{1, 1}, two_{2, 2}, none_{0, 0};
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Program timed_;
  memory spread_;  // the pooled map's gradient over the whole map
  memory output_, input_gradient_, kernel_gradient_;
};

rivals::Rival prepare(const rivals::Task& task) {
  omp_set_num_threads(task.threads);
  const Convolution c = rivals::read_convolution(task);
  rivals::Rival rival = {.versions = versions(), .settings = {}};
  for (const auto& [name, algorithm] : convolution_algorithms)
    rival.settings.emplace_back(std::string("blocked layouts, convolution ") + name, [=, algorithm = algorithm]() -> rivals::Setting {
      auto runner = std::make_shared<Runner>(c, algorithm);
      return {.run =
                  [=](int batches) {
                    for (int i = 0; i < batches; ++i) runner->run();
                    return 0.0;
                  },
              .outputs = [=] { return runner->sketches(); }};
    });
  return rival;
}

}  // namespace

int main(int argc, char** argv) { return rivals::run_child(argc, argv, prepare); }
