// Groups of few channels in vectors: each lane gets one source channel of its group. Included once for each target.
#if defined(LINN_KERNELS_CONV_LANE_TABLE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LINN_KERNELS_CONV_LANE_TABLE_INL_H
#undef LINN_KERNELS_CONV_LANE_TABLE_INL_H
#else
#define LINN_KERNELS_CONV_LANE_TABLE_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "kernels/gemm/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace linn::detail::kernels::HWY_NAMESPACE {

// For each channel of a group: the lane from which each lane of a vector takes that channel. Lanes behind the last whole group take any.
class LaneTable {
 public:
  explicit LaneTable(std::int64_t depth) {
    for (std::int64_t channel = 0; channel < depth; ++channel)
      for (std::int64_t l = 0; l < lanes; ++l) lane_[channel * lanes + l] = static_cast<std::int32_t>(std::min<std::int64_t>(l / depth * depth + channel, lanes - 1));
  }
  const std::int32_t* of(std::int64_t channel) const { return lane_ + channel * lanes; }

 private:
  alignas(64) std::int32_t lane_[lanes * lanes];
};

// Gives each lane one channel of its group; in a group of one channel its own.
template <bool kGrouped>
class PickChannel {
 public:
  PickChannel(const LaneTable& table, std::int64_t channel) : lanes_(hn::SetTableIndices(D(), table.of(kGrouped ? channel : 0))) {}
  HWY_INLINE V operator()(V v) const {
    if constexpr (kGrouped) return hn::TableLookupLanes(v, lanes_);
    return v;
  }

 private:
  decltype(hn::SetTableIndices(D(), static_cast<const std::int32_t*>(nullptr))) lanes_;
};

}  // namespace linn::detail::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
