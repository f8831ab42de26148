// What the programs of this folder that drive oneDNN share: the interface of version 2 (Debian's libdnnl-dev), and for convolutions that
// of version 3 (PyPI) too.
#pragma once

#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rivals::onednn {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;
using Type = memory::data_type;

inline memory::desc wished(const Dims& dims) { return {dims, Type::f32, Tag::any}; }
inline memory::desc plain(const Dims& dims, Tag tag) { return {dims, Type::f32, tag}; }
inline float* data_of(const memory& m) { return static_cast<float*>(m.get_data_handle()); }

/// All that are tried.
inline constexpr std::pair<const char*, dnnl::algorithm> convolution_algorithms[] = {{"direct", dnnl::algorithm::convolution_direct},
                                                                                     {"auto", dnnl::algorithm::convolution_auto},
                                                                                     {"Winograd", dnnl::algorithm::convolution_winograd}};

/// For rivals::Rival.
inline std::string versions() {
  const dnnl_version_t* version = dnnl_version();
  return "{\"oneDNN\": \"" + std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch) +
         "\"}";
}

#if DNNL_VERSION_MAJOR < 3
/// The description of a primitive: `what` is its kind, algorithm, maps and sizes, in this order.
template <class Primitive, class... What>
auto describe(const dnnl::engine& engine, const dnnl::primitive_attr& attributes, const What&... what) {
  return typename Primitive::primitive_desc({what...}, attributes, engine);
}
/// The same of a gradient; `forward` describes the forward primitive.
template <class Primitive, class Forward, class... What>
auto describe_gradient(const dnnl::engine& engine, const Forward& forward, const What&... what) {
  return typename Primitive::primitive_desc({what...}, engine, forward);
}
/// The sizes of a pooling's window, in the order of its description.
inline auto pool_sizes(const Dims& stride, const Dims& window) { return std::tuple(stride, window, Dims{0, 0}, Dims{0, 0}); }
inline void append_relu(dnnl::post_ops& to) { to.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F); }
inline auto describe_relu(const dnnl::engine& engine, const memory::desc& map) {
  return describe<dnnl::eltwise_forward>(engine, {}, dnnl::prop_kind::forward_inference, dnnl::algorithm::eltwise_relu, map, 0.0F);
}
#else
template <class Primitive, class... What>
auto describe(const dnnl::engine& engine, const dnnl::primitive_attr& attributes, const What&... what) {
  return typename Primitive::primitive_desc(engine, what..., attributes);
}
template <class Primitive, class Forward, class... What>
auto describe_gradient(const dnnl::engine& engine, const Forward& forward, const What&... what) {
  return typename Primitive::primitive_desc(engine, what..., forward);
}
// Between window and padding stands the dilation.
inline auto pool_sizes(const Dims& stride, const Dims& window) { return std::tuple(stride, window, Dims{0, 0}, Dims{0, 0}, Dims{0, 0}); }
inline void append_relu(dnnl::post_ops& to) { to.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F); }
inline auto describe_relu(const dnnl::engine& engine, const memory::desc& map) {
  return describe<dnnl::eltwise_forward>(engine, {}, dnnl::prop_kind::forward_inference, dnnl::algorithm::eltwise_relu, map, map);
}
#endif

/// Primitives in order, with their arguments.
class Program {
 public:
  Program(const dnnl::engine& engine, const dnnl::stream& stream) : engine_(engine), stream_(stream) {}

  memory make(const memory::desc& desc) {
    memory made(desc, engine_);
    std::memset(made.get_data_handle(), 0, desc.get_size());
    return made;
  }
  void add(const dnnl::primitive& primitive, std::unordered_map<int, memory> arguments) {
    steps_.emplace_back(primitive, std::move(arguments));
  }
  /// `from` in the layout of `desc`: itself, or a copy that a reorder at this place of the program fills.
  memory in_layout(const memory& from, const memory::desc& desc) {
    if (from.get_desc() == desc) return from;
    memory to = make(desc);
    add(dnnl::reorder(from, to), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    return to;
  }
  void run() {
    for (auto& [primitive, arguments] : steps_) primitive.execute(stream_, arguments);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<std::pair<dnnl::primitive, std::unordered_map<int, memory>>> steps_;
};

}  // namespace rivals::onednn
