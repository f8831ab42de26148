// A chain of convolutions in an inference plan, computed strip by strip of rows, so that the maps between them stay in the L2 cache.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "kernels/implementation.h"
#include "plan/op.h"

namespace linn::detail::plan {

/// LINN_DISABLE=plan.conv2d_chain leaves all convolutions alone.
inline constexpr std::string_view conv_chain_name = "conv2d_chain";

/// Height of the strips. `of_cache`: as many rows as fit the cache. `lowest`: as few rows as possible, for tests.
enum class Strips : std::uint8_t { of_cache, lowest };

/// Whether the op is a convolution or a chain of convolutions.
bool is_in_chains(const Op& op);
/// Whether `consumer`, which alone reads the map of `producer`, can be computed in one chain with it.
bool can_become_chain(const Op& producer, const Op& consumer);
/// How much cheaper one chain of both is than the two, for one image; negative where it is not.
double chain_gain(const Op& producer, const Op& consumer, const kernels::Policy& policy);
/// The convolutions of a chain, first to last; `op` alone if it is no chain.
std::vector<const Op*> links_of(const Op& op);
/// The chain of both.
std::unique_ptr<Op> conv_chain(const Op& producer, const Op& consumer, Strips strips);

}  // namespace linn::detail::plan
