#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>

#include "kernels/blur/vector.h"
#include "kernels/conv/depthwise.h"
#include "kernels/conv/direct.h"
#include "kernels/conv/fused.h"
#include "kernels/conv/rounded.h"
#include "kernels/conv/winograd.h"
#include "kernels/eltwise/noise_vector.h"
#include "kernels/eltwise/vector.h"
#include "kernels/gemm/gemm.h"
#include "kernels/kernels.h"
#include "kernels/layout/vector.h"
#include "kernels/merge/vector.h"
#include "kernels/norm/group_vector.h"
#include "kernels/norm/vector.h"
#include "kernels/pad/vector.h"
#include "kernels/pixel_filter/vector.h"
#include "kernels/polyphase/each_image.h"
#include "kernels/polyphase/vector.h"
#include "kernels/pool/adaptive_vector.h"
#include "kernels/pool/general_vector.h"
#include "kernels/pool/vector.h"
#include "kernels/reduce/vector.h"
#include "kernels/region_pool/vector.h"
#include "kernels/resample/vector.h"
#include "kernels/ring_filter/vector.h"
#include "linn/error.h"

namespace linn::detail::kernels {
namespace {

template <class Kernel, class Struct>
constexpr Registered<Kernel> row_of = {Struct::name, Struct::needs, &Implementation<Kernel>::template prepare<Struct>};

template <class Kernel, class... Structs>
constexpr Registered<Kernel> list_of[] = {row_of<Kernel, Structs>..., row_of<Kernel, Reference<Kernel>>};

}  // namespace

// LINN_KERNEL(ConvForward, conv::Direct) defines implementations<ConvForward>() as {conv::Direct, reference}.
#define LINN_KERNEL(kernel, ...)                                         \
  template <>                                                            \
  std::span<const Registered<kernel>> implementations<kernel>() {        \
    return list_of<kernel __VA_OPT__(, ) __VA_ARGS__>;                   \
  }
#include "kernels/registry.inc"
#undef LINN_KERNEL

bool disabled(std::string_view kernel, std::string_view implementation) {
  static const std::string list = [] {
    const char* text = std::getenv("LINN_DISABLE");
    return ',' + std::string(text == nullptr ? "" : text) + ',';
  }();
  if (list.size() == 2) return false;
  return list.find(',' + std::string(kernel) + '.' + std::string(implementation) + ',') != std::string::npos;
}

void refuse_position_dependent(std::string_view kernel) {
  throw StateError("no implementation of " + std::string(kernel) +
                   " whose bits do not depend on positions is left, as LINN_DISABLE names them; inference with a polyphase layer needs one");
}

}  // namespace linn::detail::kernels
