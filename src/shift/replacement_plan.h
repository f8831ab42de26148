// Builds the network in which strides, borders and flattened heads are replaced.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "linn/fix.h"
#include "shift/downsampling.h"
#include "shift/network.h"
#include "shift/stride_groups.h"

namespace linn::shift {

/// Walks over the old network's calls once and calls the layers of the new one.
class ReplacementPlan {
 public:
  /// Throws as `fix`. The model must outlive it.
  ReplacementPlan(const Model& model, const FixOptions& options);

  /// The new network, without the old weights. Fills `replacements`.
  Model build();

  std::vector<Replacement> replacements;
  /// Names of the new layers that took over strides.
  std::set<std::string> samplings;

 private:
  // A layer that is to be called.
  struct NewLayer {
    std::string class_name;
    detail::io::Json config;
    OnMap on = {};

    std::string name() const { return config["name"].get<std::string>(); }
  };
  // What stands for a value of the old network.
  struct NewValue {
    SymbolicTensor value;
    const NetworkCall* flattened = nullptr;  // the value is still the map that this Flatten takes
    Size2 strides = {1, 1};                  // of that map
    bool pooled = false;                     // behind a global pooling: layers do not see places
    bool convolved = false;                  // behind a window with weights
    std::optional<NewLayer> waiting = {};    // a blur that goes behind the normalization and activation of its convolution
  };

  void check_options() const;
  void check_sizes() const;
  void rebuild(std::size_t call);
  void rebuild_group(const StrideGroup& group);
  std::vector<NewValue> inputs_of(std::size_t call);
  NewValue value_of(Source source) const;

  std::vector<NewValue> replaced(std::size_t call, std::vector<NewValue> inputs);
  NewValue replaced_one(std::size_t call, NewValue in);
  std::vector<NewValue> merged(const NetworkCall& call, std::vector<NewValue> inputs);

  // Strides and borders.
  NewValue window(const NetworkCall& call, NewValue in);
  NewLayer circular(const NetworkCall& call, const Size2& strides) const;
  NewLayer blurred(const NetworkCall& call, const NewLayer& pooling) const;
  NewLayer downsampling_for(const NetworkCall& call, std::int64_t channels);
  NewValue with_blur(NewValue in);

  // Heads.
  NewValue behind_flatten(const NetworkCall& call, NewValue in);
  bool becomes_convolution(const Shape& map, const Size2& strides) const;
  NewValue convolve(const NetworkCall& dense, NewValue in, const detail::io::Json& as_window);
  NewValue close_with_global_pooling(NewValue in);
  NewValue with_exact_sampling(NewValue in, const std::string& before);

  NewValue keep(const NetworkCall& call, NewValue in);
  SymbolicTensor apply(const NewLayer& layer, const SymbolicTensor& input);
  std::vector<SymbolicTensor> apply(const NewLayer& layer, const std::vector<SymbolicTensor>& inputs);
  void note(const NetworkCall& call, const std::string& after);
  std::string fresh_name(const std::string& wanted);

  const Model& model_;
  const FixOptions& options_;
  const DownsamplingRow& sampling_;
  Network network_;
  StrideGroups groups_;
  Shape input_;
  std::optional<SymbolicTensor> image_;
  std::vector<std::vector<NewValue>> values_;  // by call and output; empty: not rebuilt yet
  std::map<std::string, Layer> layers_;        // of the new network, by name
  std::vector<Layer> in_order_;                // the same, as they were made
  std::set<std::string> names_;                // of layers, old and new
  bool polyphase_ = false;                     // the new network has a polyphase layer
};

}  // namespace linn::shift
