// Has a kernel become slower? Compares the speed of a few kernels with loops that measure the machine in the same process
// (kernels/roofline.h), and those ratios with the ones kept in bench/guard.json for this kind of CPU.
//
//   bench_guard FILE           ends with 1 if a ratio is below half of the kept one, with 77 if nothing is kept for this CPU
//   bench_guard FILE --write   puts this run's ratios into FILE; those of other CPUs stay
//
// Neighbours on the machine must not matter. A run of kernel or loop takes some 100 us, less than a slice of the scheduler, so many
// are undisturbed; they alternate, so that a change of clock meets both; of some runs the quickest of either side make a ratio, the
// median of several such ratios counts, and what then fails is measured again, longer.
#include <cpuid.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/data.h"
#include "core/cpu.h"
#include "kernels/kernels.h"
#include "kernels/roofline.h"

namespace linn::bench {
namespace {

using namespace detail::kernels;
using Json = nlohmann::ordered_json;

constexpr double least_of_kept = 0.5;
constexpr double run_seconds = 100e-6;
constexpr int nothing_kept = 77;  // ctest calls this skipped

/// A kernel on memory of its own.
struct Measured {
  std::string name;
  bool streams;   // compared by bytes with `copy`; else by operations with `multiply_adds`
  double amount;  // bytes or operations of a call
  std::function<void()> call;
};

// ---- what is measured ----

template <class T>
std::shared_ptr<T> keep(T value) {
  return std::make_shared<T>(std::move(value));
}

Measured conv_forward(const std::string& name, const Geometry& g, std::int64_t images) {
  const ConvForward::Problem problem = {g, true, Activation::relu};
  const auto f = choose<ConvForward>(problem);
  auto src = keep(Data(images * g.src_image)), kernel = keep(Data(kernel_size(g))), bias = keep(Data(g.out_channels)),
       dst = keep(Data(images * g.dst_image)), packed = keep(Data(f.packed(problem))), scratch = keep(Data(f.scratch(problem, images)));
  if (f.packed(problem) > 0) f.pack(problem, kernel->get(), packed->get());
  return {"conv_forward " + name, false, operations_of(g, images), [=] {
            f.run(problem, {images, src->get(), kernel->get(), packed->get(), bias->get(), dst->get(), scratch->get()});
          }};
}

Measured conv_input_gradient(const std::string& name, const Geometry& g, std::int64_t images) {
  const auto f = choose<ConvInputGradient>(g);
  auto ddst = keep(Data(images * g.dst_image)), kernel = keep(Data(kernel_size(g))), dsrc = keep(Data(images * g.src_image)),
       packed = keep(Data(f.packed(g))), scratch = keep(Data(f.scratch(g, images)));
  if (f.packed(g) > 0) f.pack(g, kernel->get(), packed->get());
  return {"conv_input_gradient " + name, false, operations_of(g, images), [=] {
            f.run(g, {images, ddst->get(), kernel->get(), packed->get(), nullptr, dsrc->get(), scratch->get()});
          }};
}

Measured conv_kernel_gradient(const std::string& name, const Geometry& g, std::int64_t images) {
  const auto f = choose<ConvKernelGradient>(g);
  auto src = keep(Data(images * g.src_image)), ddst = keep(Data(images * g.dst_image)), dkernel = keep(Data(kernel_size(g))),
       scratch = keep(Data(f.scratch(g, images)));
  return {"conv_kernel_gradient " + name, false, operations_of(g, images), [=] {
            f.run(g, {images, src->get(), ddst->get(), dkernel->get(), scratch->get()});
          }};
}

Measured conv_pool_forward(const std::string& name, const Pooled& p, Operands operands = Operands::float32) {
  const ConvPoolForward::Problem problem = {p.conv, p.pool, PoolKind::max, true, Activation::relu, true};
  const auto f = choose<ConvPoolForward>(problem, {.operands = operands});
  auto src = keep(Data(p.images * p.conv.src_image)), kernel = keep(Data(kernel_size(p.conv))), bias = keep(Data(p.conv.out_channels)),
       dst = keep(Data(p.outputs())), packed = keep(Data(f.packed(problem))), scratch = keep(Data(f.scratch(problem, p.images)));
  if (f.packed(problem) > 0) f.pack(problem, kernel->get(), packed->get());
  auto argmax = keep(std::vector<std::uint8_t>(static_cast<std::size_t>(p.outputs())));
  return {"conv_pool_forward " + name, false, 4 * p.products(), [=, images = p.images] {
            f.run(problem, {images, src->get(), kernel->get(), packed->get(), bias->get(), dst->get(), argmax->data(), scratch->get()});
          }};
}

Measured conv_pool_kernel_gradient(const std::string& name, const Pooled& p) {
  const ConvPoolKernelGradient::Problem problem = {p.conv, p.pool};
  const auto f = choose<ConvPoolKernelGradient>(problem);
  auto sparse = keep(Sparse(p));
  auto src = keep(Data(p.images * p.conv.src_image)), dkernel = keep(Data(kernel_size(p.conv))),
       dbias = keep(Data(p.conv.out_channels)), scratch = keep(Data(f.scratch(problem, p.images)));
  return {"conv_pool_kernel_gradient " + name, false, p.products() * sparse->live, [=, images = p.images] {
            f.run(problem, {images, src->get(), sparse->ddst.get(), sparse->argmax.data(), dkernel->get(), dbias->get(), scratch->get()});
          }};
}

Measured conv_pool_input_gradient(const std::string& name, const Pooled& p) {
  const ConvPoolInputGradient::Problem problem = {p.conv, p.pool};
  const auto f = choose<ConvPoolInputGradient>(problem);
  auto sparse = keep(Sparse(p));
  auto kernel = keep(Data(kernel_size(p.conv))), packed = keep(Data(f.packed(problem))), dsrc = keep(Data(p.images * p.conv.src_image)),
       scratch = keep(Data(f.scratch(problem, p.images)));
  if (f.packed(problem) > 0) f.pack(problem, kernel->get(), packed->get());
  return {"conv_pool_input_gradient " + name, false, p.products() * sparse->live, [=, images = p.images] {
            f.run(problem, {images, sparse->ddst.get(), sparse->argmax.data(), kernel->get(), packed->get(), dsrc->get(), scratch->get()});
          }};
}

Measured dense_forward(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Operands operands = Operands::float32) {
  const DenseForward::Problem problem = {inputs, outputs, true, Activation::relu};
  const auto f = choose<DenseForward>(problem, {.operands = operands});
  auto src = keep(Data(rows * inputs)), kernel = keep(Data(inputs * outputs)), bias = keep(Data(outputs)), dst = keep(Data(rows * outputs)),
       packed = keep(Data(f.packed(problem))), scratch = keep(Data(f.scratch(problem, rows)));
  if (f.packed(problem) > 0) f.pack(problem, kernel->get(), packed->get());
  return {fmt::format("dense_forward {}x{} rows {}", inputs, outputs, rows), false, 2.0 * static_cast<double>(rows * inputs * outputs),
          [=] {
            f.run(problem, {rows, src->get(), kernel->get(), packed->get(), bias->get(), dst->get(), scratch->get()});
          }};
}

Measured dense_kernel_gradient(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, std::int64_t shard) {
  const DenseKernelGradient::Problem problem = {inputs, outputs, shard};
  const auto f = choose<DenseKernelGradient>(problem);
  auto src = keep(Data(rows * inputs)), ddst = keep(Data(rows * outputs)), dkernel = keep(Data(inputs * outputs)),
       scratch = keep(Data(f.scratch(problem, rows)));
  return {fmt::format("dense_kernel_gradient {}x{} rows {} shard {}", inputs, outputs, rows, shard), false,
          2.0 * static_cast<double>(rows * inputs * outputs), [=, last = inputs] {
            f.run(problem, {rows, src->get(), ddst->get(), dkernel->get(), 0, last, scratch->get()});
          }};
}

double bytes_of(std::int64_t floats) { return static_cast<double>(floats) * sizeof(float); }

Measured pool_forward(const std::string& name, const Geometry& g, PoolKind kind) {
  const PoolForward::Problem problem = {g, kind, kind == PoolKind::max};
  const auto f = choose<PoolForward>(problem);
  auto src = keep(Data(g.src_image)), dst = keep(Data(g.dst_image)), scratch = keep(Data(f.scratch(problem, 1)));
  auto argmax = keep(std::vector<std::uint8_t>(static_cast<std::size_t>(g.dst_image)));
  return {"pool_forward " + name, true, bytes_of(g.src_image + g.dst_image), [=] {
            f.run(problem, {1, src->get(), dst->get(), problem.argmax ? argmax->data() : nullptr, nullptr, scratch->get()});
          }};
}

Measured pool_input_gradient(const std::string& name, const Geometry& g) {
  const PoolInputGradient::Problem problem = {g, PoolKind::max, true};
  const auto f = choose<PoolInputGradient>(problem);
  auto ddst = keep(Data(g.dst_image)), dsrc = keep(Data(g.src_image)), scratch = keep(Data(f.scratch(problem, 1)));
  auto argmax = keep(std::vector<std::uint8_t>(static_cast<std::size_t>(g.dst_image), 1));
  return {"pool_input_gradient " + name, true, bytes_of(g.src_image + g.dst_image), [=] {
            f.run(problem, {1, ddst->get(), argmax->data(), nullptr, dsrc->get(), scratch->get()});
          }};
}

constexpr std::int64_t elements = 32768;  // with a second array as many 256 KiB, in the L2 cache

Measured activation(Activation kind) {
  const auto f = choose<ActivationForward>({kind});
  auto src = keep(Data(elements)), dst = keep(Data(elements));
  return {fmt::format("activation_forward {}", name_of(kind)), true, bytes_of(2 * elements), [=] {
            f.run({kind}, {elements, src->get(), dst->get(), nullptr});
          }};
}

Measured gather() {
  const Gather::Problem problem = {784, DType::u8};
  const std::int64_t rows = elements / problem.row;
  const auto f = choose<Gather>(problem);
  auto src = keep(std::vector<std::uint8_t>(static_cast<std::size_t>(rows * problem.row), 3));
  auto dst = keep(Data(rows * problem.row));
  return {"gather u8", true, bytes_of(rows * problem.row) * 1.25, [=] {
            f.run(problem, {rows, src->data(), nullptr, 0, dst->get(), nullptr});
          }};
}

Measured dropout() {
  const auto f = choose<Dropout>({0.25});
  auto src = keep(Data(elements)), dst = keep(Data(elements));
  return {"dropout", true, bytes_of(2 * elements), [=] { f.run({0.25}, {elements, 1, 2, 0, src->get(), dst->get(), nullptr}); }};
}

Measured adam() {
  const auto f = choose<AdamUpdate>({});
  auto gradient = keep(Data(elements)), variable = keep(Data(elements)), momentum = keep(Data(elements)), velocity = keep(Data(elements));
  std::fill_n(velocity->get(), elements, 1.0f);
  return {"adam_update", true, bytes_of(7 * elements), [=] {
            f.run({}, {elements, 0.0, 0.0, gradient->get(), variable->get(), momentum->get(), velocity->get(), nullptr, nullptr});
          }};
}

/// For the instruction set that is chosen. What bfloat16 adds concerns three kernels; the others are those of AVX-512.
std::vector<Measured> all() {
  const Window valid = {.height = 3, .width = 3};
  const Geometry conv = *resolve(valid, 13, 13, 32, 32);
  const Pooled first = pooled(valid, 28, 1, 32, 4), second = pooled(valid, 13, 32, 32, 4);
  if (detail::core::isa() == detail::core::Isa::avx512_bf16)
    return {
        conv_pool_forward("3x3 1->32", first, Operands::bfloat16),
        conv_pool_forward("3x3 32->32", second, Operands::bfloat16),
        dense_forward(16, 800, 128, Operands::bfloat16),
    };
  const Geometry twos = *resolve({.height = 2, .width = 2, .stride_height = 2, .stride_width = 2}, 28, 28, 32, 32);
  const Geometry threes = *resolve({.height = 3, .width = 3, .border = Border::same}, 28, 28, 32, 32);
  const Geometry pointwise = *resolve({}, 14, 14, 256, 64);
  const Geometry strided = *resolve({.height = 7, .width = 7, .stride_height = 2, .stride_width = 2, .border = Border::same}, 56, 56, 3, 64);
  const Geometry depthwise = *resolve({.height = 3, .width = 3, .border = Border::same}, 28, 28, 64, 64, 64);
  return {
      conv_forward("3x3 32->32", conv, 4),
      conv_input_gradient("3x3 32->32", conv, 4),
      conv_kernel_gradient("3x3 32->32", conv, 4),
      conv_pool_forward("3x3 1->32", first),
      conv_pool_kernel_gradient("3x3 1->32", first),
      conv_pool_forward("3x3 32->32", second),
      conv_pool_kernel_gradient("3x3 32->32", second),
      conv_pool_input_gradient("3x3 32->32", second),
      conv_forward("1x1 256->64", pointwise, 4),
      conv_input_gradient("1x1 256->64", pointwise, 4),
      conv_forward("7x7/2 3->64", strided, 1),
      conv_forward("3x3 depthwise 64", depthwise, 4),
      conv_input_gradient("3x3 depthwise 64", depthwise, 4),
      conv_kernel_gradient("3x3 depthwise 64", depthwise, 4),
      dense_forward(16, 800, 128),
      dense_kernel_gradient(32, 800, 128, 8),
      pool_forward("2x2 max", twos, PoolKind::max),
      pool_forward("2x2 average", twos, PoolKind::average),
      pool_forward("3x3 same max", threes, PoolKind::max),
      pool_input_gradient("2x2 max", twos),
      pool_input_gradient("3x3 same max", threes),
      activation(Activation::relu),
      activation(Activation::sigmoid),
      activation(Activation::gelu),
      gather(),
      dropout(),
      adam(),
  };
}

// ---- measuring ----

/// Calls until a run takes run_seconds.
template <class Call>
std::int64_t calls_for(const Call& call) {
  for (std::int64_t calls = 1;; calls *= 2) {
    const double start = seconds_now();
    for (std::int64_t i = 0; i < calls; ++i) call();
    const double time = seconds_now() - start;
    if (time >= run_seconds / 2 || calls > 1'000'000) return calls;
  }
}

template <class Call>
double time_of(std::int64_t calls, const Call& call) {
  const double start = seconds_now();
  for (std::int64_t i = 0; i < calls; ++i) call();
  return (seconds_now() - start) / static_cast<double>(calls);
}

/// The kernel's speed as a share of the loop's.
double ratio_of(const Measured& measured, int batches, int pairs) {
  static Data from(elements), to(elements);
  double loop_amount = 0;
  const auto loop = [&] {
    if (measured.streams) {
      copy(from.get(), to.get(), elements);
      loop_amount = bytes_of(2 * elements);
    } else {
      loop_amount = multiply_adds(1000);
    }
  };
  measured.call();
  loop();
  const std::int64_t calls = calls_for(measured.call), loops = calls_for(loop);
  std::vector<double> ratios;
  for (int b = 0; b < batches; ++b) {
    double best = 1e9, best_loop = 1e9;
    for (int p = 0; p < pairs; ++p) {
      best_loop = std::min(best_loop, time_of(loops, loop));
      best = std::min(best, time_of(calls, measured.call));
    }
    ratios.push_back(measured.amount / best / (loop_amount / best_loop));
  }
  std::nth_element(ratios.begin(), ratios.begin() + batches / 2, ratios.end());
  return ratios[static_cast<std::size_t>(batches / 2)];
}

double first_ratio(const Measured& measured) { return ratio_of(measured, 5, 7); }
double longer_ratio(const Measured& measured) { return ratio_of(measured, 9, 40); }

/// "AuthenticAMD family 25 model 17".
std::string cpu() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid(0, &a, &b, &c, &d);
  char vendor[13] = {};
  std::memcpy(vendor, &b, 4), std::memcpy(vendor + 4, &d, 4), std::memcpy(vendor + 8, &c, 4);
  __get_cpuid(1, &a, &b, &c, &d);
  const unsigned base = a >> 8 & 0xf, family = base == 0xf ? base + (a >> 20 & 0xff) : base;
  const unsigned model = (a >> 4 & 0xf) | (base == 0xf || base == 6 ? a >> 12 & 0xf0 : 0);
  return fmt::format("{} family {} model {}", vendor, family, model);
}

Json read(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  return Json::parse(file);
}

/// Calls visit(instruction set, measured), with that set chosen.
template <class Visit>
void for_each_measured(const Visit& visit) {
  for (const detail::core::Isa isa : detail::core::available_isas()) {
    if (isa == detail::core::Isa::scalar) continue;
    detail::core::set_isa(isa);
    for (const Measured& measured : all()) visit(std::string(detail::core::name_of(isa)), measured);
  }
}

int write(const std::string& path) {
  Json file = read(path), ratios = Json::object();
  for_each_measured([&](const std::string& isa, const Measured& measured) {
    const double ratio = longer_ratio(measured);
    fmt::print("{:11} {:42} {:.3f}\n", isa, measured.name, ratio);
    ratios[isa][measured.name] = std::round(ratio * 1000) / 1000;
  });
  file[cpu()] = ratios;
  std::ofstream out(path);
  out << file.dump(2) << '\n';
  if (!out.flush()) throw std::runtime_error(path + ": cannot be written");
  return 0;
}

int compare(const std::string& path) {
  const Json file = read(path);
  if (!file.contains(cpu())) {
    fmt::print("SKIPPED: {} keeps no ratios for {}; HACKING.md says how to add them\n", path, cpu());
    return nothing_kept;
  }
  const Json& kept = file.at(cpu());
  int worse = 0;
  for_each_measured([&](const std::string& isa, const Measured& measured) {
    if (!kept.contains(isa) || !kept.at(isa).contains(measured.name)) {
      fmt::print("{:11} {:42} has no kept ratio: not compared\n", isa, measured.name);
      return;
    }
    const double before = kept.at(isa).at(measured.name).get<double>();
    double now = first_ratio(measured);
    if (now < least_of_kept * before) now = std::max(now, longer_ratio(measured));
    const bool fails = now < least_of_kept * before;
    worse += fails;
    fmt::print("{:11} {:42} {:.3f}, kept {:.3f}{}\n", isa, measured.name, now, before, fails ? ": LESS THAN HALF" : "");
  });
  fmt::print("{}: {}\n", cpu(),
             worse == 0 ? "no kernel is slower than half of what is kept" : fmt::format("{} slower than half of what is kept", worse));
  return worse == 0 ? 0 : 1;
}

}  // namespace
}  // namespace linn::bench

int main(int argc, char** argv) {
  try {
    if (argc == 2) return linn::bench::compare(argv[1]);
    if (argc == 3 && std::string_view(argv[2]) == "--write") return linn::bench::write(argv[1]);
    std::cerr << "usage: bench_guard FILE [--write]\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_guard: " << error.what() << '\n';
    return 2;
  }
}
