// What the programs of this folder that drive oneDNN (Debian's libdnnl-dev, the interface of version 2) share.
#pragma once

#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
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
