// oneDNN (Debian's libdnnl-dev, the interface of version 2): the notebook's network with the layouts that its primitives ask for.
//
// Forward: relu is a post-operation of convolution and Dense, weights are laid out once, pooling and Dense read the convolution's blocked
// layout. Training: relu's gradient is taken behind the pooling, where the map is a quarter; weights live in the layout of the forward
// primitives, and what a gradient wants otherwise is reordered each step; shuffling, loss and Adam are loops of this file.
#include <omp.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <numeric>
#include <random>

#include "child.h"
#include "onednn_program.h"

namespace {

using namespace rivals::onednn;

constexpr int pixels = 28 * 28;
constexpr int classes = 10;

std::size_t floats_of(const memory& m) { return m.get_desc().get_size() / sizeof(float); }

template <class T>
std::vector<T> read_array(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::vector<T> values(static_cast<std::size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

struct Data {
  std::vector<float> x;  // scaled
  std::vector<std::uint8_t> y;
  std::vector<float> weights;  // all, in Keras's order and layout
  int images() const { return static_cast<int>(y.size()); }
};

std::shared_ptr<Data> load(const rivals::Task& task) {
  auto data = std::make_shared<Data>();
  const auto bytes = read_array<std::uint8_t>(task.data + "/x_train.u8");
  data->x.resize(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) data->x[i] = static_cast<float>(bytes[i]) / 255.0F;
  data->y = read_array<std::uint8_t>(task.data + "/y_train.u8");
  data->weights = read_array<float>(task.data + "/weights.f32");
  return data;
}

// A variable in the layout of the forward primitive, with its gradient and Adam's two means. Padding stays zero: its gradient is.
struct Variable {
  memory value, gradient, mean, square;
};

class Network {
 public:
  Network(std::shared_ptr<Data> data, int batch, bool trains, dnnl::algorithm convolution)
      : data_(std::move(data)),
        batch_(batch),
        trains_(trains),
        algorithm_(convolution),
        forward_(engine_, stream_),
        backward_(engine_, stream_) {
    x_ = forward_.make(plain({batch, 1, 28, 28}, Tag::nchw));
    build();
  }

  const memory& input() const { return x_; }
  void infer() { forward_.run(); }
  std::vector<float> probabilities() const { return {data_of(output_), data_of(output_) + batch_ * classes}; }

  double train(int batches) {
    std::vector<int> order(static_cast<std::size_t>(data_->images()));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random_);
    double loss = 0;
    for (int step = 0; step < batches; ++step) {
      const int* rows = order.data() + static_cast<std::ptrdiff_t>(step) * batch_;
      gather(rows);
      forward_.run();
      loss += loss_and_gradient(rows);
      backward_.run();
      adam();
    }
    return loss / batches;
  }

 private:
  struct Convolution {
    dnnl::convolution_forward::primitive_desc forward;
    dnnl::pooling_forward::primitive_desc pool;
    memory input, convolved, pooled, workspace;
    std::size_t kernel = 0;  // index of the variable; the bias is the next
  };
  struct Dense {
    dnnl::inner_product_forward::primitive_desc forward;
    memory input, output;
    std::size_t kernel = 0;
  };

  dnnl::prop_kind kind() const { return trains_ ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference; }

  static dnnl::primitive_attr with_relu() {
    dnnl::post_ops after;
    after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(after);
    return attributes;
  }

  // The next of the weights, given in Keras's layout, in the layout `desc`.
  memory variable(const memory::desc& from, const memory::desc& desc) {
    memory keras(from, engine_, data_->weights.data() + used_);
    used_ += from.get_size() / sizeof(float);
    memory value = forward_.make(desc);
    dnnl::reorder(keras, value).execute(stream_, keras, value);
    stream_.wait();
    variables_.push_back({.value = value, .gradient = {}, .mean = {}, .square = {}});
    if (trains_) {
      Variable& made = variables_.back();
      made.gradient = forward_.make(desc);
      made.mean = forward_.make(desc);
      made.square = forward_.make(desc);
    }
    return value;
  }

  Convolution convolution(const memory& input, int channels, int size) {
    const int out = size - 2;
    const Dims kernel = {32, channels, 3, 3};
    const Dims one = {1, 1};
    const Dims none = {0, 0};
    const memory::desc source = channels == 1 ? input.get_desc() : wished({batch_, channels, size, size});
    Convolution c;
    c.forward = {
        {kind(), algorithm_, source, wished(kernel), wished({32}), wished({batch_, 32, out, out}), one, none, none}, with_relu(), engine_};
    c.kernel = variables_.size();
    c.input = forward_.in_layout(input, c.forward.src_desc());
    const memory weights = variable(plain(kernel, Tag::hwio), c.forward.weights_desc());
    const memory bias = variable(plain({32}, Tag::a), c.forward.bias_desc());
    c.convolved = forward_.make(c.forward.dst_desc());
    forward_.add(dnnl::convolution_forward(c.forward),
                 {{DNNL_ARG_SRC, c.input}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, c.convolved}});

    const Dims two = {2, 2};
    c.pool = {{kind(), dnnl::algorithm::pooling_max, c.forward.dst_desc(), wished({batch_, 32, out / 2, out / 2}), two, two, none, none},
              engine_};
    c.pooled = forward_.make(c.pool.dst_desc());
    std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, c.convolved}, {DNNL_ARG_DST, c.pooled}};
    if (trains_) {
      c.workspace = forward_.make(c.pool.workspace_desc());
      arguments[DNNL_ARG_WORKSPACE] = c.workspace;
    }
    forward_.add(dnnl::pooling_forward(c.pool), arguments);
    return c;
  }

  // The first Dense takes the pooled map as it lies: its kernel has four axes, (units, channels, height, width).
  Dense dense(const memory& input, const Dims& kernel, Tag keras, bool relu) {
    Dims source = kernel;
    source[0] = batch_;
    const bool map = kernel.size() == 4;
    Dense d;
    d.forward = {{kind(), map ? input.get_desc() : wished(source), wished(kernel), wished({kernel[0]}), wished({batch_, kernel[0]})},
                 relu ? with_relu() : dnnl::primitive_attr(),
                 engine_};
    d.kernel = variables_.size();
    d.input = forward_.in_layout(input, d.forward.src_desc());
    const memory weights = variable(plain(kernel, keras), d.forward.weights_desc());
    const memory bias = variable(plain({kernel[0]}, Tag::a), d.forward.bias_desc());
    d.output = forward_.make(d.forward.dst_desc());
    forward_.add(dnnl::inner_product_forward(d.forward),
                 {{DNNL_ARG_SRC, d.input}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, d.output}});
    return d;
  }

  void build() {
    const Convolution first = convolution(x_, 1, 28);
    const Convolution second = convolution(first.pooled, 32, 13);
    const Dense hidden = dense(second.pooled, {128, 32, 5, 5}, Tag::hwio, true);
    const Dense last = dense(hidden.output, {classes, 128}, Tag::io, false);
    const memory logits = forward_.in_layout(last.output, plain({batch_, classes}, Tag::nc));
    output_ = forward_.make(logits.get_desc());
    const dnnl::softmax_forward::primitive_desc softmax({kind(), logits.get_desc(), 1}, engine_);
    forward_.add(dnnl::softmax_forward(softmax), {{DNNL_ARG_SRC, logits}, {DNNL_ARG_DST, output_}});
    if (!trains_) return;
    output_gradient_ = backward_.make(logits.get_desc());
    memory gradient = backward_.in_layout(output_gradient_, last.forward.dst_desc());
    gradient = relu_gradient(hidden.output, dense_gradients(last, gradient));
    gradient = relu_gradient(second.pooled, dense_gradients(hidden, gradient));
    gradient = relu_gradient(first.pooled, convolution_gradients(second, gradient, true));
    convolution_gradients(first, gradient, false);
  }

  // relu is over before the pooling; the gradient of a window whose maximum it made zero is zero, so it may be taken behind it.
  memory relu_gradient(const memory& output, const memory& gradient) {
    const auto algorithm = dnnl::algorithm::eltwise_relu_use_dst_for_bwd;
    const dnnl::eltwise_forward::primitive_desc hint({dnnl::prop_kind::forward_training, algorithm, output.get_desc(), 0, 0}, engine_);
    const dnnl::eltwise_backward::primitive_desc relu({algorithm, output.get_desc(), output.get_desc(), 0, 0}, engine_, hint);
    const memory in = backward_.in_layout(gradient, relu.diff_dst_desc());
    backward_.add(dnnl::eltwise_backward(relu), {{DNNL_ARG_DST, output}, {DNNL_ARG_DIFF_DST, in}, {DNNL_ARG_DIFF_SRC, in}});
    return in;
  }

  // Makes the primitive write into the variable's gradient, by way of a reorder where the layouts differ.
  void add_weight_gradient(const dnnl::primitive& primitive, std::unordered_map<int, memory> arguments, const memory::desc& layout,
                           std::size_t kernel) {
    const memory wanted = variables_[kernel].gradient;
    const bool same = wanted.get_desc() == layout;
    const memory written = same ? wanted : backward_.make(layout);
    arguments[DNNL_ARG_DIFF_WEIGHTS] = written;
    arguments[DNNL_ARG_DIFF_BIAS] = variables_[kernel + 1].gradient;
    backward_.add(primitive, std::move(arguments));
    if (!same) backward_.add(dnnl::reorder(written, wanted), {{DNNL_ARG_FROM, written}, {DNNL_ARG_TO, wanted}});
  }

  memory dense_gradients(const Dense& d, const memory& gradient) {
    const memory::desc kernel = wished(d.forward.weights_desc().dims());
    const memory::desc output = wished(d.forward.dst_desc().dims());
    const dnnl::inner_product_backward_weights::primitive_desc weights({d.input.get_desc(), kernel, d.forward.bias_desc(), output}, engine_,
                                                                       d.forward);
    add_weight_gradient(dnnl::inner_product_backward_weights(weights),
                        {{DNNL_ARG_SRC, d.input}, {DNNL_ARG_DIFF_DST, backward_.in_layout(gradient, weights.diff_dst_desc())}},
                        weights.diff_weights_desc(), d.kernel);
    const dnnl::inner_product_backward_data::primitive_desc data({d.input.get_desc(), kernel, output}, engine_, d.forward);
    const memory result = backward_.make(data.diff_src_desc());
    backward_.add(dnnl::inner_product_backward_data(data),
                  {{DNNL_ARG_WEIGHTS, backward_.in_layout(variables_[d.kernel].value, data.weights_desc())},
                   {DNNL_ARG_DIFF_DST, backward_.in_layout(gradient, data.diff_dst_desc())},
                   {DNNL_ARG_DIFF_SRC, result}});
    return result;
  }

  memory convolution_gradients(const Convolution& c, const memory& gradient, bool of_input) {
    const Dims one = {1, 1};
    const Dims none = {0, 0};
    const Dims two = {2, 2};
    const dnnl::pooling_backward::primitive_desc pool(
        {dnnl::algorithm::pooling_max, c.convolved.get_desc(), c.pooled.get_desc(), two, two, none, none}, engine_, c.pool);
    const memory spread = backward_.make(c.convolved.get_desc());
    backward_.add(dnnl::pooling_backward(pool), {{DNNL_ARG_DIFF_DST, backward_.in_layout(gradient, c.pooled.get_desc())},
                                                 {DNNL_ARG_WORKSPACE, c.workspace},
                                                 {DNNL_ARG_DIFF_SRC, spread}});
    const memory::desc kernel = wished(c.forward.weights_desc().dims());
    const memory::desc output = wished(c.forward.dst_desc().dims());
    const memory::desc input = wished(c.input.get_desc().dims());
    const bool image = c.input.get_desc().dims()[1] == 1;
    const dnnl::convolution_backward_weights::primitive_desc weights(
        {algorithm_, image ? c.input.get_desc() : input, kernel, c.forward.bias_desc(), output, one, none, none}, engine_, c.forward);
    add_weight_gradient(dnnl::convolution_backward_weights(weights),
                        {{DNNL_ARG_SRC, backward_.in_layout(c.input, weights.src_desc())},
                         {DNNL_ARG_DIFF_DST, backward_.in_layout(spread, weights.diff_dst_desc())}},
                        weights.diff_weights_desc(), c.kernel);
    if (!of_input) return {};
    const dnnl::convolution_backward_data::primitive_desc data({algorithm_, input, kernel, output, one, none, none}, engine_, c.forward);
    const memory result = backward_.make(data.diff_src_desc());
    backward_.add(dnnl::convolution_backward_data(data),
                  {{DNNL_ARG_WEIGHTS, backward_.in_layout(variables_[c.kernel].value, data.weights_desc())},
                   {DNNL_ARG_DIFF_DST, backward_.in_layout(spread, data.diff_dst_desc())},
                   {DNNL_ARG_DIFF_SRC, result}});
    return result;
  }

  void gather(const int* rows) {
    float* to = data_of(x_);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < batch_; ++i)
      std::memcpy(to + static_cast<std::ptrdiff_t>(i) * pixels, data_->x.data() + static_cast<std::ptrdiff_t>(rows[i]) * pixels,
                  pixels * sizeof(float));
  }

  // Mean cross-entropy, and (probability - 1 of the label) / batch as the gradient of the logits.
  double loss_and_gradient(const int* rows) {
    const float* probability = data_of(output_);
    float* gradient = data_of(output_gradient_);
    double loss = 0;
    for (int i = 0; i < batch_; ++i) {
      const int label = data_->y[static_cast<std::size_t>(rows[i])];
      for (int k = 0; k < classes; ++k)
        gradient[i * classes + k] = (probability[i * classes + k] - (k == label ? 1.0F : 0.0F)) / static_cast<float>(batch_);
      loss -= std::log(std::max(probability[i * classes + label], 1e-30F));
    }
    return loss / batch_;
  }

  void adam() {
    ++step_;
    const auto rate = static_cast<float>(1e-3 * std::sqrt(1 - std::pow(0.999, step_)) / (1 - std::pow(0.9, step_)));
    for (Variable& v : variables_) {
      float* value = data_of(v.value);
      const float* gradient = data_of(v.gradient);
      float* mean = data_of(v.mean);
      float* square = data_of(v.square);
      const auto n = static_cast<std::ptrdiff_t>(floats_of(v.value));
#pragma omp parallel for simd schedule(static) if (n > 4096)
      for (std::ptrdiff_t i = 0; i < n; ++i) {
        mean[i] += 0.1F * (gradient[i] - mean[i]);
        square[i] += 0.001F * (gradient[i] * gradient[i] - square[i]);
        value[i] -= rate * mean[i] / (std::sqrt(square[i]) + 1e-7F);
      }
    }
  }

  std::shared_ptr<Data> data_;
  int batch_;
  bool trains_;
  dnnl::algorithm algorithm_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Program forward_;
  Program backward_;
  memory x_, output_, output_gradient_;
  std::vector<Variable> variables_;
  std::size_t used_ = 0;  // weights given out
  std::int64_t step_ = 0;
  std::mt19937 random_{0};
};

rivals::Setting inference(const std::shared_ptr<Data>& data, const std::shared_ptr<Network>& network, int batch) {
  const int batches_there = std::min(rivals::most_inference_batches, data->images() / batch);
  // The batch is read where it lies.
  const auto compute = [=](int i) {
    network->input().set_data_handle(data->x.data() + static_cast<std::ptrdiff_t>(i % batches_there) * batch * pixels);
    network->infer();
  };
  return {.run =
              [=](int batches) {
                for (int i = 0; i < batches; ++i) compute(i);
                return 0.0;
              },
          .outputs =
              [=] {
                std::vector<float> result;
                for (int i = 0; result.size() < rivals::checked_images * classes; ++i) {
                  compute(i);
                  for (const float value : network->probabilities()) result.push_back(value);
                }
                result.resize(rivals::checked_images * classes);
                return result;
              }};
}

rivals::Rival prepare(const rivals::Task& task) {
  omp_set_num_threads(task.threads);
  if (task.precision != "f32") throw std::invalid_argument("precision " + task.precision + ": this program has f32");
  const std::shared_ptr<Data> data = load(task);
  rivals::Rival rival = {.versions = versions(), .settings = {}, .most_batches = task.trains() ? data->images() / task.batch : 0};
  for (const auto& [name, algorithm] : convolution_algorithms)
    rival.settings.emplace_back(std::string("blocked layouts, post-ops, convolution ") + name,
                                [=, algorithm = algorithm]() -> rivals::Setting {
                                  auto network = std::make_shared<Network>(data, task.batch, task.trains(), algorithm);
                                  if (task.trains()) return {.run = [=](int batches) { return network->train(batches); }};
                                  return inference(data, network, task.batch);
                                });
  return rival;
}

}  // namespace

int main(int argc, char** argv) { return rivals::run_child(argc, argv, prepare); }
