// Speed of the kernels of one network's layers: GFLOP/s, and the fraction of what a loop of independent multiply-adds reaches
// in the same run ("of_peak"), both at their best. Hosts are noisy: compare fractions of one run.
// Kernels bound by memory report GB/s, what they read and write together, and the fraction of what memcpy of one map reaches
// ("of_copy": a copy reads and writes one map each). LINN_ISA caps the instruction set.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "bench/data.h"
#include "kernels/kernels.h"
#include "kernels/roofline.h"

namespace linn::bench {
namespace {

using namespace detail::kernels;

// FLOP/s of the loop: the best of three short ones.
double peak() {
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const double start = seconds_now();
    const double operations = multiply_adds(200000);
    best = std::max(best, operations / (seconds_now() - start));
  }
  return best;
}

// Reports the quickest call against the quickest loop: on a shared host both then mean "undisturbed".
template <class Call>
void measure(benchmark::State& state, double operations, const Call& call) {
  detail::core::isa();  // applies LINN_ISA
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

// The same for a kernel that reads and writes `maps` maps of `floats` numbers, against memcpy of one map onto another in turn.
template <class Call>
void measure_bytes(benchmark::State& state, std::int64_t floats, double maps, const Call& call) {
  detail::core::isa();  // applies LINN_ISA
  Data from(floats), to(floats);
  const auto bytes = static_cast<double>(floats) * sizeof(float);
  call();
  double best = 1e9, copy = 1e9;
  for (auto _ : state) {
    double start = seconds_now();
    std::memcpy(to.get(), from.get(), static_cast<std::size_t>(floats) * sizeof(float));
    benchmark::DoNotOptimize(to.get()[0]);
    copy = std::min(copy, seconds_now() - start);
    call();  // after the copy, so that both find their own maps in the same cache
    start = seconds_now();
    call();
    const double time = seconds_now() - start;
    best = std::min(best, time);
    state.SetIterationTime(time);
  }
  state.counters["best_us"] = best * 1e6;
  state.counters["GB/s"] = maps * bytes / best * 1e-9;
  state.counters["of_copy"] = maps / best / (2 / copy);
}

void conv_forward(benchmark::State& state, Geometry g, std::int64_t images, Policy policy) {
  Data src(images * g.src_image), kernel(kernel_size(g)), bias(g.out_channels);
  const ConvForward::Problem problem = {g, true, Activation::relu};
  const auto& f = choose<ConvForward>(problem, policy);
  state.SetLabel(std::string(f.name));
  Data dst(images * g.dst_image), packed(f.packed(problem)), scratch(f.scratch(problem, images));
  if (f.packed(problem) > 0) f.pack(problem, kernel.get(), packed.get());
  measure(state, operations_of(g, images), [&] {
    f.run(problem, {images, src.get(), kernel.get(), packed.get(), bias.get(), dst.get(), scratch.get()});
  });
}

void conv_input_gradient(benchmark::State& state, Geometry g, std::int64_t images, Policy policy) {
  Data ddst(images * g.dst_image), kernel(kernel_size(g));
  const auto& f = choose<ConvInputGradient>(g, policy);
  state.SetLabel(std::string(f.name));
  Data dsrc(images * g.src_image), packed(f.packed(g)), scratch(f.scratch(g, images));
  if (f.packed(g) > 0) f.pack(g, kernel.get(), packed.get());
  measure(state, operations_of(g, images), [&] { f.run(g, {images, ddst.get(), kernel.get(), packed.get(), nullptr, dsrc.get(), scratch.get()}); });
}

void conv_kernel_gradient(benchmark::State& state, Geometry g, std::int64_t images, Policy policy) {
  Data src(images * g.src_image), ddst(images * g.dst_image), dkernel(kernel_size(g));
  const auto& f = choose<ConvKernelGradient>(g, policy);
  state.SetLabel(std::string(f.name));
  Data scratch(f.scratch(g, images));
  measure(state, operations_of(g, images), [&] { f.run(g, {images, src.get(), ddst.get(), dkernel.get(), scratch.get()}); });
}

void conv_pool_forward(benchmark::State& state, Pooled p, Operands operands) {
  const ConvPoolForward::Problem problem = {p.conv, p.pool, PoolKind::max, true, Activation::relu, true};
  const auto& f = choose<ConvPoolForward>(problem, {.operands = operands});
  Data src(p.images * p.conv.src_image), kernel(kernel_size(p.conv)), bias(p.conv.out_channels);
  Data dst(p.outputs()), packed(f.packed(problem)), scratch(f.scratch(problem, p.images));
  if (f.packed(problem) > 0) f.pack(problem, kernel.get(), packed.get());
  std::vector<std::uint8_t> argmax(static_cast<std::size_t>(p.outputs()));
  measure(state, 4 * p.products(), [&] {
    f.run(problem, {p.images, src.get(), kernel.get(), packed.get(), bias.get(), dst.get(), argmax.data(), scratch.get()});
  });
}

void conv_pool_kernel_gradient(benchmark::State& state, Pooled p) {
  const ConvPoolKernelGradient::Problem problem = {p.conv, p.pool};
  const auto& f = choose<ConvPoolKernelGradient>(problem);
  Sparse sparse(p);
  Data src(p.images * p.conv.src_image), dkernel(kernel_size(p.conv)), dbias(p.conv.out_channels), scratch(f.scratch(problem, p.images));
  measure(state, p.products() * sparse.live, [&] {
    f.run(problem, {p.images, src.get(), sparse.ddst.get(), sparse.argmax.data(), dkernel.get(), dbias.get(), scratch.get()});
  });
}

void conv_pool_input_gradient(benchmark::State& state, Pooled p) {
  const ConvPoolInputGradient::Problem problem = {p.conv, p.pool};
  const auto& f = choose<ConvPoolInputGradient>(problem);
  Sparse sparse(p);
  Data kernel(kernel_size(p.conv)), packed(f.packed(problem)), dsrc(p.images * p.conv.src_image);
  Data scratch(f.scratch(problem, p.images));
  if (f.packed(problem) > 0) f.pack(problem, kernel.get(), packed.get());
  measure(state, p.products() * sparse.live, [&] {
    f.run(problem, {p.images, sparse.ddst.get(), sparse.argmax.data(), kernel.get(), packed.get(), dsrc.get(), scratch.get()});
  });
}

void conv_global_forward(benchmark::State& state, Geometry g, std::int64_t images) {
  const ConvGlobalPoolForward::Problem problem = {g, PoolKind::max, true, Activation::relu, true};
  const auto& f = choose<ConvGlobalPoolForward>(problem);
  Data src(images * g.src_image), kernel(kernel_size(g)), bias(g.out_channels), dst(images * g.out_channels);
  Data packed(f.packed(problem)), scratch(f.scratch(problem, images));
  if (f.packed(problem) > 0) f.pack(problem, kernel.get(), packed.get());
  std::vector<std::uint8_t> winners(static_cast<std::size_t>(images * winners_size(g)));
  measure(state, operations_of(g, images), [&] {
    f.run(problem, {images, src.get(), kernel.get(), packed.get(), bias.get(), dst.get(), winners.data(), scratch.get()});
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

// Maps of one shard: 8 images.
struct Norm {
  std::string name;
  std::int64_t pixels, channels;
  std::int64_t rows() const { return 8 * pixels; }
  std::int64_t floats() const { return rows() * channels; }
};

void norm_moments(benchmark::State& state, const Norm& n) {
  Data src(n.floats());
  const NormMoments::Problem problem = {n.pixels, n.channels};
  std::vector<double> moments(static_cast<std::size_t>(8 * 2 * n.channels));
  const auto& f = choose<NormMoments>(problem);
  measure_bytes(state, n.floats(), 1, [&] { f.run(problem, {8, src.get(), moments.data(), nullptr}); });
}

void norm_forward(benchmark::State& state, const Norm& n) {
  Data src(n.floats()), coefficients(3 * n.channels), dst(n.floats());
  const NormForward::Problem problem = {n.channels, Activation::relu};
  const auto& f = choose<NormForward>(problem);
  measure_bytes(state, n.floats(), 2, [&] { f.run(problem, {n.rows(), src.get(), coefficients.get(), dst.get(), nullptr}); });
}

void norm_gradient_sums(benchmark::State& state, const Norm& n) {
  Data src(n.floats()), ddst(n.floats()), coefficients(3 * n.channels), sums(2 * n.channels);
  const NormForward::Problem problem = {n.channels, Activation::relu};
  const auto& f = choose<NormGradientSums>(problem);
  measure_bytes(state, n.floats(), 2, [&] { f.run(problem, {n.rows(), src.get(), ddst.get(), coefficients.get(), sums.get(), nullptr}); });
}

void norm_input_gradient(benchmark::State& state, const Norm& n) {
  Data src(n.floats()), ddst(n.floats()), coefficients(3 * n.channels), lines(2 * n.channels), dsrc(n.floats());
  const NormForward::Problem problem = {n.channels, Activation::relu};
  const auto& f = choose<NormInputGradient>(problem);
  measure_bytes(state, n.floats(), 3, [&] {
    f.run(problem, {n.rows(), src.get(), ddst.get(), coefficients.get(), lines.get(), dsrc.get(), nullptr});
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
  for (const Conv& c : {Conv{"3x3 32->32 on 13x13 batch 8", *resolve(valid, 13, 13, 32, 32), 8},
                        Conv{"3x3 1->32 on 28x28 batch 8", *resolve(valid, 28, 28, 1, 32), 8},
                        Conv{"3x3 1->32 on 28x28 batch 1", *resolve(valid, 28, 28, 1, 32), 1},
                        Conv{"3x3 32->32 on 13x13 batch 1", *resolve(valid, 13, 13, 32, 32), 1},
                        Conv{"3x3 same 32->64 on 14x14 batch 8", *resolve(same, 14, 14, 32, 64), 8},
                        Conv{"3x3 same 3->16 on 32x32 batch 8", *resolve(same, 32, 32, 3, 16), 8},
                        Conv{"3x3 same 128->128 on 7x7 batch 8", *resolve(same, 7, 7, 128, 128), 8},
                        Conv{"3x3 same 64->64 on 56x56 batch 8", *resolve(same, 56, 56, 64, 64), 8},
                        Conv{"3x3 same 64->64 on 56x56 batch 1", *resolve(same, 56, 56, 64, 64), 1},
                        Conv{"3x3 same 128->128 on 28x28 batch 8", *resolve(same, 28, 28, 128, 128), 8},
                        Conv{"3x3 same 256->256 on 14x14 batch 8", *resolve(same, 14, 14, 256, 256), 8},
                        Conv{"3x3 same 256->256 on 8x8 batch 8", *resolve(same, 8, 8, 256, 256), 8},
                        Conv{"3x3 same 256->256 on 8x8 batch 1", *resolve(same, 8, 8, 256, 256), 1}}) {
    const std::pair<std::string, Policy> policies[] = {{" ", {}},
                                                       {" bf16 ", {.operands = Operands::bfloat16}},
                                                       {" direct ", {.exact = true}},
                                                       {" direct bf16 ", {.position_invariant = true, .operands = Operands::bfloat16}}};
    for (const auto& [kind, policy] : policies) {
      benchmark::RegisterBenchmark(("conv_forward" + kind + c.name).c_str(), conv_forward, c.geometry, c.images, policy)->UseManualTime();
      benchmark::RegisterBenchmark(("conv_input_gradient" + kind + c.name).c_str(), conv_input_gradient, c.geometry, c.images, policy)
          ->UseManualTime();
      benchmark::RegisterBenchmark(("conv_kernel_gradient" + kind + c.name).c_str(), conv_kernel_gradient, c.geometry, c.images, policy)
          ->UseManualTime();
    }
  }
  benchmark::RegisterBenchmark("conv_global_forward 3x3 32->64 on 13x13 batch 8", conv_global_forward, *resolve(valid, 13, 13, 32, 64), 8)->UseManualTime();
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
  for (const Norm& n : {Norm{"26x26x32", 26 * 26, 32}, Norm{"13x13x32", 13 * 13, 32}, Norm{"32x32x64", 32 * 32, 64},
                        Norm{"8x8x256", 8 * 8, 256}, Norm{"32x32x3", 32 * 32, 3}, Norm{"13x13x20", 13 * 13, 20}}) {
    benchmark::RegisterBenchmark(("norm_moments " + n.name).c_str(), norm_moments, n)->UseManualTime();
    benchmark::RegisterBenchmark(("norm_forward " + n.name).c_str(), norm_forward, n)->UseManualTime();
    benchmark::RegisterBenchmark(("norm_gradient_sums " + n.name).c_str(), norm_gradient_sums, n)->UseManualTime();
    benchmark::RegisterBenchmark(("norm_input_gradient " + n.name).c_str(), norm_input_gradient, n)->UseManualTime();
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
