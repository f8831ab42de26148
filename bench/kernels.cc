// Speed of the kernels of one network's layers: GFLOP/s, and the fraction of what a loop of independent multiply-adds reaches
// in the same run ("of_peak"), both at their best. Hosts are noisy: compare fractions of one run.
// LINN_ISA caps the instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace linn::bench::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Nothing but multiply-adds on 12 accumulators. Returns how many floating-point operations it did.
double fma_loop(std::int64_t steps, float* out) {
  const hn::CappedTag<float, 16> d;
  hn::Vec<decltype(d)> sum[12];
  const auto a = hn::Set(d, out[0]), b = hn::Set(d, out[1]);
#pragma GCC unroll 12
  for (int i = 0; i < 12; ++i) sum[i] = hn::Set(d, static_cast<float>(i));
  for (std::int64_t s = 0; s < steps; ++s)
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) sum[i] = hn::MulAdd(sum[i], a, b);
  for (int i = 1; i < 12; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  out[2] = hn::GetLane(sum[0]);
  return 2.0 * 12 * static_cast<double>(steps) * static_cast<double>(hn::Lanes(d));
}

}  // namespace
}  // namespace linn::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <benchmark/benchmark.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace linn::bench {
HWY_EXPORT(fma_loop);
namespace {

using namespace kernels;

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// FLOP/s of the loop: the best of three short ones.
double peak() {
  alignas(64) float values[4] = {0.5f, 0.25f, 0, 0};
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const double start = seconds_now();
    const double operations = HWY_DYNAMIC_DISPATCH(fma_loop)(200000, values);
    best = std::max(best, operations / (seconds_now() - start));
    benchmark::DoNotOptimize(values[2]);
  }
  return best;
}

class Data {
 public:
  explicit Data(std::int64_t count) : storage_(static_cast<std::size_t>(count) + 16) {
    for (float& value : storage_) value = std::uniform_real_distribution<float>(-1, 1)(engine_);
  }
  // 64-byte aligned, as the planner places buffers.
  float* get() { return storage_.data() + (64 - reinterpret_cast<std::uintptr_t>(storage_.data()) % 64) / sizeof(float) % 16; }

 private:
  static inline std::mt19937 engine_{1};
  std::vector<float> storage_;
};

// Reports the quickest call against the quickest loop: on a shared host both then mean "undisturbed".
template <class Call>
void measure(benchmark::State& state, double operations, const Call& call) {
  core::isa();  // applies LINN_ISA
  call();
  double best = 1e9, used = 0, next = 0, rate = 0;
  for (auto _ : state) {
    if (used >= next) {
      rate = std::max(rate, peak());
      next = used + 0.02;
    }
    const double start = seconds_now();
    call();
    const double time = seconds_now() - start;
    used += time;
    best = std::min(best, time);
    state.SetIterationTime(time);
  }
  state.counters["best_us"] = best * 1e6;
  state.counters["GFLOP/s"] = operations / best * 1e-9;
  state.counters["of_peak"] = operations / best / rate;
}

// Two for each pair of an output and a source pixel inside the map.
double operations_of(const Geometry& g, std::int64_t images) {
  const auto pairs = [](std::int64_t out, std::int64_t window, std::int64_t stride, std::int64_t dilation, std::int64_t pad, std::int64_t size) {
    std::int64_t count = 0;
    for (std::int64_t y = 0; y < out; ++y)
      for (std::int64_t i = 0; i < window; ++i) {
        const std::int64_t at = y * stride - pad + i * dilation;
        count += at >= 0 && at < size;
      }
    return count;
  };
  const std::int64_t rows = pairs(g.out_height, g.window_height, g.stride_height, g.dilation_height, g.pad_top, g.height);
  const std::int64_t columns = pairs(g.out_width, g.window_width, g.stride_width, g.dilation_width, g.pad_left, g.width);
  const std::int64_t depth = g.channels / g.groups;
  return 2.0 * static_cast<double>(images * rows * columns * g.out_channels * depth);
}

void conv_forward(benchmark::State& state, Geometry g, std::int64_t images) {
  Data src(images * g.src_image), kernel(g.window_height * g.window_width * g.channels * g.out_channels), bias(g.out_channels);
  const ConvForward::Problem problem = {g, true, Activation::relu};
  const auto& f = choose<ConvForward>(problem);
  Data dst(images * g.dst_image), scratch(f.scratch(problem, images));
  measure(state, operations_of(g, images), [&] {
    f.run(problem, {images, src.get(), kernel.get(), bias.get(), dst.get(), scratch.get()});
  });
}

void conv_input_gradient(benchmark::State& state, Geometry g, std::int64_t images) {
  Data ddst(images * g.dst_image), kernel(g.window_height * g.window_width * g.channels * g.out_channels);
  const auto& f = choose<ConvInputGradient>(g);
  Data dsrc(images * g.src_image), scratch(f.scratch(g, images));
  measure(state, operations_of(g, images), [&] { f.run(g, {images, ddst.get(), kernel.get(), dsrc.get(), scratch.get()}); });
}

void conv_kernel_gradient(benchmark::State& state, Geometry g, std::int64_t images) {
  Data src(images * g.src_image), ddst(images * g.dst_image), dkernel(g.window_height * g.window_width * g.channels * g.out_channels);
  const auto& f = choose<ConvKernelGradient>(g);
  Data scratch(f.scratch(g, images));
  measure(state, operations_of(g, images), [&] { f.run(g, {images, src.get(), ddst.get(), dkernel.get(), scratch.get()}); });
}

// A convolution with 2x2 max pooling. What is counted is the direct form's products of the cells that windows see, so Winograd may
// pass 1, and for gradients the products of living windows.
struct Pooled {
  Geometry conv, pool;
  std::int64_t images;
  double products() const { return 2.0 * static_cast<double>(images * pool.out_height * pool.out_width * conv.out_channels * conv.window_height * conv.window_width * conv.channels); }
  std::int64_t outputs() const { return images * pool.out_height * pool.out_width * pool.channels; }
};

Pooled pooled(const Window& window, std::int64_t size, std::int64_t channels, std::int64_t out_channels, std::int64_t images) {
  const Geometry conv = *resolve(window, size, size, channels, out_channels);
  return {conv, *resolve({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, conv.out_height, conv.out_width, out_channels, out_channels), images};
}

void conv_pool_forward(benchmark::State& state, Pooled p, Operands operands) {
  const ConvPoolForward::Problem problem = {p.conv, p.pool, PoolKind::max, true, Activation::relu, true};
  const auto& f = choose<ConvPoolForward>(problem, {.operands = operands});
  Data src(p.images * p.conv.src_image), kernel(p.conv.window_height * p.conv.window_width * p.conv.channels * p.conv.out_channels), bias(p.conv.out_channels);
  Data dst(p.outputs()), packed(f.packed(problem)), scratch(f.scratch(problem, p.images));
  if (f.packed(problem) > 0) f.pack(problem, kernel.get(), packed.get());
  std::vector<std::uint8_t> argmax(static_cast<std::size_t>(p.outputs()));
  measure(state, 4 * p.products(), [&] {
    f.run(problem, {p.images, src.get(), kernel.get(), packed.get(), bias.get(), dst.get(), argmax.data(), scratch.get()});
  });
}

// A third of the windows dead, as relu leaves them; argmax at random.
struct Sparse {
  explicit Sparse(const Pooled& p) : ddst(p.outputs()), argmax(static_cast<std::size_t>(p.outputs())) {
    std::mt19937 engine(3);
    for (std::int64_t i = 0; i < p.outputs(); ++i) {
      if (engine() % 3 == 0) ddst.get()[i] = 0;
      living += ddst.get()[i] != 0;
      argmax[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(engine() % 4);
    }
  }
  Data ddst;
  std::vector<std::uint8_t> argmax;
  double living = 0;
};

void conv_pool_kernel_gradient(benchmark::State& state, Pooled p) {
  const ConvPoolKernelGradient::Problem problem = {p.conv, p.pool};
  const auto& f = choose<ConvPoolKernelGradient>(problem);
  Sparse sparse(p);
  Data src(p.images * p.conv.src_image), dkernel(p.conv.window_height * p.conv.window_width * p.conv.channels * p.conv.out_channels), scratch(f.scratch(problem, p.images));
  measure(state, p.products() * sparse.living / static_cast<double>(p.outputs()), [&] {
    f.run(problem, {p.images, src.get(), sparse.ddst.get(), sparse.argmax.data(), dkernel.get(), scratch.get()});
  });
}

void conv_pool_input_gradient(benchmark::State& state, Pooled p) {
  const ConvPoolInputGradient::Problem problem = {p.conv, p.pool};
  const auto& f = choose<ConvPoolInputGradient>(problem);
  Sparse sparse(p);
  Data kernel(p.conv.window_height * p.conv.window_width * p.conv.channels * p.conv.out_channels), packed(f.packed(problem)), dsrc(p.images * p.conv.src_image);
  Data scratch(f.scratch(problem, p.images));
  if (f.packed(problem) > 0) f.pack(problem, kernel.get(), packed.get());
  measure(state, p.products() * sparse.living / static_cast<double>(p.outputs()), [&] {
    f.run(problem, {p.images, sparse.ddst.get(), sparse.argmax.data(), kernel.get(), packed.get(), dsrc.get(), scratch.get()});
  });
}

void dense_forward(benchmark::State& state, std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Operands operands) {
  Data src(rows * inputs), kernel(inputs * outputs), bias(outputs), dst(rows * outputs);
  const DenseForward::Problem problem = {inputs, outputs, true, Activation::relu};
  const auto& f = choose<DenseForward>(problem, {.operands = operands});
  Data scratch(f.scratch(problem, rows)), packed(f.packed(problem));
  if (f.packed(problem) > 0) f.pack(problem, kernel.get(), packed.get());
  measure(state, 2.0 * static_cast<double>(rows * inputs * outputs), [&] {
    f.run(problem, {rows, src.get(), kernel.get(), packed.get(), bias.get(), dst.get(), scratch.get()});
  });
}

void dense_kernel_gradient(benchmark::State& state, std::int64_t rows, std::int64_t inputs, std::int64_t outputs, std::int64_t shard, Operands operands) {
  Data src(rows * inputs), ddst(rows * outputs), dkernel(inputs * outputs);
  const DenseKernelGradient::Problem problem = {inputs, outputs, shard};
  const auto& f = choose<DenseKernelGradient>(problem, {.operands = operands});
  Data scratch(f.scratch(problem, rows));
  measure(state, 2.0 * static_cast<double>(rows * inputs * outputs), [&] {
    f.run(problem, {rows, src.get(), ddst.get(), dkernel.get(), 0, inputs, scratch.get()});
  });
}

void transpose(benchmark::State& state, std::int64_t rows, std::int64_t columns) {
  Data src(rows * columns), dst(rows * columns);
  const TransposeKernel::Problem problem = {1, rows, columns};
  const auto& f = choose<TransposeKernel>(problem);
  for (auto _ : state) f.run(problem, {src.get(), dst.get(), nullptr});
  state.counters["elements/s"] = benchmark::Counter(static_cast<double>(rows * columns), benchmark::Counter::kIsIterationInvariantRate);
}

void register_all() {
  struct Conv {
    std::string name;
    Geometry geometry;
    std::int64_t images;
  };
  const Window valid = {.height = 3, .width = 3}, same = {.height = 3, .width = 3, .border = Border::same};
  for (const Conv& c : {Conv{"3x3 32->32 on 13x13 batch 8", *resolve(valid, 13, 13, 32, 32), 8}, Conv{"3x3 1->32 on 28x28 batch 8", *resolve(valid, 28, 28, 1, 32), 8},
                        Conv{"3x3 1->32 on 28x28 batch 1", *resolve(valid, 28, 28, 1, 32), 1}, Conv{"3x3 32->32 on 13x13 batch 1", *resolve(valid, 13, 13, 32, 32), 1},
                        Conv{"3x3 same 32->64 on 14x14 batch 8", *resolve(same, 14, 14, 32, 64), 8},
                        Conv{"3x3 same 3->16 on 32x32 batch 8", *resolve(same, 32, 32, 3, 16), 8},
                        Conv{"3x3 same 128->128 on 7x7 batch 8", *resolve(same, 7, 7, 128, 128), 8}}) {
    benchmark::RegisterBenchmark(("conv_forward " + c.name).c_str(), conv_forward, c.geometry, c.images)->UseManualTime();
    benchmark::RegisterBenchmark(("conv_input_gradient " + c.name).c_str(), conv_input_gradient, c.geometry, c.images)->UseManualTime();
    benchmark::RegisterBenchmark(("conv_kernel_gradient " + c.name).c_str(), conv_kernel_gradient, c.geometry, c.images)->UseManualTime();
  }
  const std::pair<std::string, Pooled> with_pooling[] = {{"3x3 1->32 on 28x28 batch 8", pooled(valid, 28, 1, 32, 8)},
                                                         {"3x3 32->32 on 13x13 batch 8", pooled(valid, 13, 32, 32, 8)},
                                                         {"3x3 32->32 on 13x13 batch 1", pooled(valid, 13, 32, 32, 1)},
                                                         {"3x3 same 64->64 on 32x32 batch 8", pooled(same, 32, 64, 64, 8)},
                                                         {"3x3 same 256->256 on 8x8 batch 8", pooled(same, 8, 256, 256, 8)}};
  for (const auto& [name, p] : with_pooling) {
    benchmark::RegisterBenchmark(("conv_pool_forward " + name).c_str(), conv_pool_forward, p, Operands::float32)->UseManualTime();
    benchmark::RegisterBenchmark(("conv_pool_forward bf16 " + name).c_str(), conv_pool_forward, p, Operands::bfloat16)->UseManualTime();
    benchmark::RegisterBenchmark(("conv_pool_kernel_gradient " + name).c_str(), conv_pool_kernel_gradient, p)->UseManualTime();
    if (p.conv.channels > 1) benchmark::RegisterBenchmark(("conv_pool_input_gradient " + name).c_str(), conv_pool_input_gradient, p)->UseManualTime();
  }
  for (const auto& [name, operands] : {std::pair<std::string, Operands>{"dense_forward ", Operands::float32}, {"dense_forward bf16 ", Operands::bfloat16}}) {
    for (const std::int64_t rows : {1, 8, 16, 128, 512})
      benchmark::RegisterBenchmark((name + "800x128 rows " + std::to_string(rows)).c_str(), dense_forward, rows, 800, 128, operands)->UseManualTime();
    benchmark::RegisterBenchmark((name + "128x800 rows 16 (input gradient)").c_str(), dense_forward, 16, 128, 800, operands)->UseManualTime();
    benchmark::RegisterBenchmark((name + "128x800 rows 128 (input gradient)").c_str(), dense_forward, 128, 128, 800, operands)->UseManualTime();
    benchmark::RegisterBenchmark((name + "128x10 rows 16").c_str(), dense_forward, 16, 128, 10, operands)->UseManualTime();
    benchmark::RegisterBenchmark((name + "4096x1024 rows 128").c_str(), dense_forward, 128, 4096, 1024, operands)->UseManualTime();
  }
  for (const auto& [name, operands] : {std::pair<std::string, Operands>{"dense_kernel_gradient ", Operands::float32}, {"dense_kernel_gradient bf16 ", Operands::bfloat16}}) {
    for (const std::int64_t shard : {8, 16, 128})
      benchmark::RegisterBenchmark((name + "800x128 rows 128 shard " + std::to_string(shard)).c_str(), dense_kernel_gradient, 128, 800, 128, shard, operands)->UseManualTime();
    benchmark::RegisterBenchmark((name + "800x128 rows 16 shard 8").c_str(), dense_kernel_gradient, 16, 800, 128, 8, operands)->UseManualTime();
  }
  benchmark::RegisterBenchmark("transpose 800x128", transpose, 800, 128);
}

}  // namespace
}  // namespace linn::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  linn::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
}
#endif
