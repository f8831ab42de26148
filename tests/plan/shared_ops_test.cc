// Few images: workers share each op, by images, rows or columns. The bits are those of one worker.
#include <gmock/gmock.h>

#include "core/worker_pool.h"
#include "plan/ops/append.h"
#include "plan/ops/conv.h"
#include "plan/ops/conv_transpose.h"
#include "plan/ops/dense.h"
#include "plan/ops/eltwise.h"
#include "plan/ops/pool.h"
#include "support/finite_differences.h"
#include "support/plan_run.h"

namespace linn::detail::plan {
namespace {

using kernels::Border;
using tests::PlanRun;
using tests::random_values;
using tests::Values;

// Every op that can be cut into parts, with the epilogues inside and outside of kernels, and ops that cannot between them.
class Network {
 public:
  Network(std::int64_t images, Precision precision) : run_(Purpose::inference) {
    Lowering& to = run_.lowering();
    Value map = run_.bind("input", {50, 46, 16}, Extent::batch, random_values(images * 50 * 46 * 16, 1));
    map = relu(convolution(map, 3, 1, 32));
    map = pool(map, 3, 2);                                      // strips
    const Value before = relu(convolution(map, 1, 1, 32, 32));  // depthwise
    map = relu(add(to, convolution(before, 3, 1, 32), before));
    map = activation(to, convolution(map, 3, 1, 48), kernels::Activation::silu);
    map = pool(relu(convolution(map, 3, 1, 48)), 2, 2);  // pooled tiles
    map = pool(relu(convolution(map, 5, 1, 24)), 2, 2);
    map = relu(convolution(map, 3, 2, 40));
    const Value few = relu(convolution(map, 1, 1, 400));  // weights that outweigh the maps: channels
    map = relu(add(to, convolution(few, 3, 1, 400), few));
    map = activation(to, transposed(map, 2, 40), kernels::Activation::tanh);
    map = relu(transposed(map, 3, 60));
    map = global_pool2d(to, relu(convolution(convolution(map, 3, 3, 200), 3, 1, 300)), kernels::PoolKind::average);
    const std::int64_t features = map.shape.elements();
    const Value row = activation(to, matrix({map.id, {features}}, 1000), kernels::Activation::gelu);
    output_ = relu(add(to, matrix(row, 1000), row));
    run_.keep(output_);
    run_.compile(images, precision);
  }

  Values outputs(std::int64_t images, int threads) {
    core::set_threads(threads);
    run_.make_workspace();
    run_.run(images);
    return run_.get(output_);
  }

 private:
  Value weights(const Shape& shape) {
    ++weights_;
    Values numbers = random_values(shape.elements(), static_cast<unsigned>(10 * weights_));
    for (double& number : numbers) number *= 0.2;
    return run_.bind("weights", shape, Extent::fixed, std::move(numbers));
  }
  Value relu(Value x) { return activation(run_.lowering(), x, kernels::Activation::relu); }
  Value convolution(Value x, std::int64_t window, std::int64_t stride, std::int64_t filters, std::int64_t groups = 1) {
    const kernels::Window sizes = {
        .height = window, .width = window, .stride_height = stride, .stride_width = stride, .border = window == 5 ? Border::valid : Border::same};
    const std::int64_t channels = x.shape[2];
    return conv2d(run_.lowering(), x, weights({window, window, channels / groups, filters}), weights({filters}),
                  *kernels::resolve(sizes, x.shape[0], x.shape[1], channels, filters, groups));
  }
  Value transposed(Value x, std::int64_t scale, std::int64_t filters) {
    const kernels::Window sizes = {.height = 3, .width = 3, .stride_height = scale, .stride_width = scale, .border = Border::same};
    return conv2d_transpose(run_.lowering(), x, weights({3, 3, filters, x.shape[2]}), weights({filters}),
                            *kernels::resolve(sizes, scale * x.shape[0], scale * x.shape[1], filters, x.shape[2]));
  }
  Value pool(Value x, std::int64_t window, std::int64_t stride) {
    const kernels::Window sizes = {.height = window, .width = window, .stride_height = stride, .stride_width = stride};
    return pool2d(run_.lowering(), x, kernels::PoolKind::max, *kernels::resolve(sizes, x.shape[0], x.shape[1], x.shape[2], x.shape[2]));
  }
  Value matrix(Value x, std::int64_t outputs) {
    return dense(run_.lowering(), x, weights({x.shape.elements(), outputs}), weights({outputs}));
  }

  PlanRun run_;
  int weights_ = 0;
  Value output_;
};

TEST(SharedOps, HaveTheBitsOfOneWorker) {
  constexpr std::int64_t most = 12;
  Network network(most, Precision::float32);
  for (const std::int64_t images : {1, 2, 3, 5, 8, 9, 12}) {
    const Values alone = network.outputs(images, 1);
    EXPECT_TRUE(std::any_of(alone.begin(), alone.end(), [](double value) { return value > 0; }));
    for (const int threads : {2, 3, 4, 16}) EXPECT_EQ(network.outputs(images, threads), alone) << images << " images, " << threads << " threads";
  }
  core::set_threads(2);
}

TEST(SharedOps, HaveTheReferencesBits) {
  Network network(2, Precision::float64);
  for (const std::int64_t images : {1, 2}) {
    const Values alone = network.outputs(images, 1);
    for (const int threads : {2, 3}) EXPECT_EQ(network.outputs(images, threads), alone) << images << " images, " << threads << " threads";
  }
  core::set_threads(2);
}

}  // namespace
}  // namespace linn::detail::plan
