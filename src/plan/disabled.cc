#include "plan/disabled.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/did_you_mean.h"
#include "io/text.h"
#include "kernels/kernels.h"
#include "plan/ops/conv_chain.h"

namespace linn::detail::plan {
namespace {

// The reference cannot be left out.
template <class Kernel>
void add_names(std::vector<std::string>& names) {
  const auto all = kernels::implementations<Kernel>();
  for (const auto& implementation : all.first(all.size() - 1)) names.push_back(fmt::format("{}.{}", Kernel::name, implementation.name));
}

std::vector<std::string> names_of_implementations() {
  std::vector<std::string> names;
#define LINN_KERNEL(kernel, ...) add_names<kernels::kernel>(names);
#include "kernels/registry.inc"
#undef LINN_KERNEL
  names.push_back(fmt::format("plan.{}", conv_chain_name));
  return names;
}

}  // namespace

std::string complaints_about_disabled(std::string_view list) {
  const std::vector<std::string> known = names_of_implementations();
  std::string complaints;
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(name.size() + 1, list.size()));
    if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) continue;
    complaints += fmt::format("linn: LINN_DISABLE: {} is no implementation{}; LINN_VERBOSE=1 prints those that run\n", io::quote(name),
                              core::did_you_mean(name, std::span<const std::string>(known)));
  }
  return complaints;
}

void check_disabled() {
  static const bool said = [] {
    const char* text = std::getenv("LINN_DISABLE");
    if (text != nullptr) std::fputs(complaints_about_disabled(text).c_str(), stderr);
    return true;
  }();
  static_cast<void>(said);
}

}  // namespace linn::detail::plan
