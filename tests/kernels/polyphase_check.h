// Polyphase sampling: scores against their definition, and choices against all circular shifts of a map.
#pragma once

#include <algorithm>
#include <set>

#include "kernels/polyphase/pooled.h"
#include "kernels/pool_check.h"

namespace linn::detail::kernels::check {

inline std::string describe(const Phases& p) {
  return std::to_string(p.height) + "x" + std::to_string(p.width) + "x" + std::to_string(p.channels) + " by " +
         std::to_string(p.stride_height) + "x" + std::to_string(p.stride_width);
}

/// Elements of one phase of one map.
template <class T>
std::vector<T> elements_of(const Phases& p, const T* src, std::int64_t phase) {
  std::vector<T> elements;
  for (std::int64_t y = phase / p.stride_width; y < p.height; y += p.stride_height)
    for (std::int64_t x = phase % p.stride_width; x < p.width; x += p.stride_width)
      for (std::int64_t c = 0; c < p.channels; ++c) elements.push_back(src[(y * p.width + x) * p.channels + c]);
  return elements;
}

/// By definition, in the order of elements and in long double.
inline double score_by_definition(const std::vector<float>& elements, PhaseScore score) {
  long double sum = 0, largest = 0;
  bool nan = false;
  for (const float element : elements) {
    const long double value = element;
    nan = nan || std::isnan(element);
    largest = std::max(largest, std::abs(value));
    sum += score == PhaseScore::l1 ? std::abs(value) : score == PhaseScore::l2 ? value * value : value;
  }
  if (nan) return std::numeric_limits<double>::quiet_NaN();
  if (score == PhaseScore::linf) return static_cast<double>(largest);
  sum /= static_cast<long double>(elements.size());
  return static_cast<double>(score == PhaseScore::l2 ? std::sqrt(sum) : sum);
}

inline void check_phase_scores(const Phases& p, PhaseScore score, std::int64_t images, const std::vector<float>& src) {
  SCOPED_TRACE(describe(p) + ", score " + std::to_string(static_cast<int>(score)));
  const PhaseScores::Problem problem = {p, score};
  std::vector<double> expected, magnitude;
  for (std::int64_t n = 0; n < images; ++n) {
    double largest = 0;  // of the map's finite phases: one exponent for all
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const double of_phase = score_by_definition(elements_of(p, src.data() + n * p.map(), k), PhaseScore::linf);
      if (std::isfinite(of_phase)) largest = std::max(largest, of_phase);
    }
    for (std::int64_t k = 0; k < p.count(); ++k) {
      expected.push_back(score_by_definition(elements_of(p, src.data() + n * p.map(), k), score));
      // In float's epsilon: the rounding to float, at least half of the least denormal, and 2^-41 of the largest; a square's root can lose
      // half of those bits.
      const double rounding = (std::isfinite(expected.back()) ? std::abs(expected.back()) : 0) + 0x1p-127;
      magnitude.push_back(rounding + largest * (score == PhaseScore::l2 ? 1 : 0x1p-18));
    }
  }
  Buffer reference(images * p.count());
  PhaseScores::reference<float>(problem, {images, src.data(), reference.data(), nullptr});
  each_form<PhaseScores>(problem, [&](const Implementation<PhaseScores>& form) {
    Buffer scores(images * p.count(), untouched), scratch(form.scratch(problem, images), testing::unwritten);
    form.run(problem, {images, src.data(), scores.data(), scratch.data()});
    ASSERT_TRUE(all_bits(scores, reference));
    ASSERT_TRUE(testing::all_near(scores, expected, magnitude, 1));
  });
}

/// Against the reference in double; where a phase's weight gradient is a sum, within its terms' magnitudes.
inline void check_phase_mix_gradient(const Phases& p, std::int64_t images, Values values, std::uint32_t seed) {
  SCOPED_TRACE(describe(p));
  const std::vector<float> src = make(images * p.map(), values, seed), ddst = make(images * p.elements(), values, seed + 1);
  const std::vector<float> weights = make(images * p.count(), Values::normal, seed + 2);
  const auto in_double = [](const std::vector<float>& from, bool magnitude) {
    std::vector<double> result;
    for (const float value : from) result.push_back(magnitude ? std::abs(static_cast<double>(value)) : static_cast<double>(value));
    return result;
  };
  std::vector<double> dsrc(src.size()), dweights(weights.size()), dsrc_size(src.size()), dweights_size(weights.size());
  for (const bool magnitude : {false, true})
    PhaseMixGradient::reference<double>(p, {images, in_double(src, magnitude).data(), in_double(weights, magnitude).data(), in_double(ddst, magnitude).data(),
                                            (magnitude ? dsrc_size : dsrc).data(), (magnitude ? dweights_size : dweights).data(), nullptr});
  each_form<PhaseMixGradient>(p, [&](const Implementation<PhaseMixGradient>& form) {
    Buffer to_src(images * p.map(), untouched), to_weights(images * p.count(), untouched), scratch(form.scratch(p, images), testing::unwritten);
    form.run(p, {images, src.data(), weights.data(), ddst.data(), to_src.data(), to_weights.data(), scratch.data()});
    ASSERT_TRUE(testing::all_near(to_src, dsrc, dsrc_size, 1));
    ASSERT_TRUE(testing::all_near(to_weights, dweights, dweights_size, 1));  // sums are double: one rounding
  });
}

/// Against the whole pooled map and its gradient, of which the phases of `phase` are taken.
inline void check_phase_pool(std::int64_t window_height, std::int64_t window_width, const Phases& p, std::int64_t images, Values values, std::uint32_t seed) {
  SCOPED_TRACE(describe(p) + ", window " + std::to_string(window_height) + "x" + std::to_string(window_width));
  const Window window = {.height = window_height, .width = window_width, .stride_height = 1, .stride_width = 1};
  const Geometry whole = resolve(window, p.height + window_height - 1, p.width + window_width - 1, p.channels, p.channels).value();
  PhasePool problem = PhasePool::of(whole, p);
  problem.pool.argmax = true;
  const std::vector<float> src = make(images * whole.src_image, values, seed), ddst = make(images * p.elements(), Values::normal, seed + 1);
  std::vector<std::int32_t> phase;
  for (std::int64_t n = 0; n < images; ++n) phase.push_back(static_cast<std::int32_t>((n + seed) % static_cast<std::uint64_t>(p.count())));

  Buffer pooled(images * p.map()), expected(images * p.elements()), dpooled(images * p.map()), dsrc(images * whole.src_image);
  testing::Guarded<std::uint8_t> argmax(images * p.map());
  const PoolForward::Problem all{whole, PoolKind::max, true};
  PoolForward::reference<float>(all, {images, src.data(), pooled.data(), argmax.data(), nullptr, nullptr});
  PhaseForward::reference<float>(p, {images, pooled.data(), phase.data(), expected.data(), nullptr});
  PhaseInputGradient::reference<float>(p, {images, ddst.data(), phase.data(), dpooled.data(), nullptr});
  PoolInputGradient::reference<float>(all, {images, dpooled.data(), argmax.data(), nullptr, dsrc.data(), nullptr});
  std::vector<double> gradient(dsrc.data(), dsrc.data() + dsrc.size());
  const std::vector<double> magnitude(gradient.size(), 4.0 * static_cast<double>(window_height * window_width));

  testing::Guarded<std::uint8_t> cells(images * p.elements());
  each_form<PhasePoolForward>(problem, [&](const Implementation<PhasePoolForward>& form) {
    Buffer dst(images * p.elements(), untouched), scratch(form.scratch(problem, images), testing::unwritten);
    form.run(problem, {images, src.data(), phase.data(), dst.data(), cells.data(), scratch.data()});
    ASSERT_TRUE(all_bits(dst, expected));
  });
  each_form<PhasePoolInputGradient>(problem, [&](const Implementation<PhasePoolInputGradient>& form) {
    Buffer to(images * whole.src_image, untouched), scratch(form.scratch(problem, images), testing::unwritten);
    form.run(problem, {images, ddst.data(), phase.data(), cells.data(), to.data(), scratch.data()});
    ASSERT_TRUE(testing::all_near(to, gradient, magnitude, 1));
  });
}

inline std::vector<float> shifted(const Phases& p, const std::vector<float>& map, std::int64_t down, std::int64_t right) {
  std::vector<float> result(map.size());
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x) {
      const std::int64_t to = ((y + down) % p.height * p.width + (x + right) % p.width) * p.channels;
      std::copy_n(map.begin() + (y * p.width + x) * p.channels, p.channels, result.begin() + to);
    }
  return result;
}

inline std::vector<float> scores_of(const PhaseScores::Problem& problem, const std::vector<float>& map) {
  std::vector<float> scores(static_cast<std::size_t>(problem.phases.count()));
  PhaseScores::reference<float>(problem, {1, map.data(), scores.data(), nullptr});
  return scores;
}

inline std::int32_t choice_of(const Phases& p, const std::vector<float>& map, const std::vector<float>& scores) {
  std::int32_t phase = -1;
  std::vector<float> scratch(static_cast<std::size_t>(PhaseChoice::reference_scratch(p, 1)));
  PhaseChoice::reference<float>(p, {1, map.data(), scores.data(), &phase, scratch.data()});
  return phase;
}

/// The bytes of the smallest of all circular shifts of one phase: the same for phases that are shifts of each other, and for no others.
inline std::string canonical(const Phases& p, const std::vector<float>& map, std::int64_t phase) {
  const Phases of_phase = {p.rows(), p.columns(), p.channels, 1, 1};
  std::string smallest;
  const std::vector<float> elements = elements_of(p, map.data(), phase);
  for (std::int64_t down = 0; down < p.rows(); ++down)
    for (std::int64_t right = 0; right < p.columns(); ++right) {
      const std::vector<float> moved = shifted(of_phase, elements, down, right);
      const std::string bytes(reinterpret_cast<const char*>(moved.data()), moved.size() * sizeof(float));
      if (smallest.empty() || bytes < smallest) smallest = bytes;
    }
  return smallest;
}

/// Of a map shifted by one row or column, which make all shifts, scores are the same bits in other places, and what is chosen is the same
/// but for a shift.
inline void check_phase_choice(const Phases& p, PhaseScore score, const std::vector<float>& map) {
  SCOPED_TRACE(describe(p));
  const PhaseScores::Problem problem = {p, score};
  const std::vector<float> scores = scores_of(problem, map);
  const std::int32_t chosen = choice_of(p, map, scores);
  for (std::int64_t k = 0; k < p.count(); ++k) {
    const float at = scores[static_cast<std::size_t>(k)], best = scores[static_cast<std::size_t>(chosen)];
    ASSERT_TRUE(std::isnan(best) || at <= best) << "phase " << k << " of " << at << " is larger than the chosen one's " << best;
  }
  const std::string content = canonical(p, map, chosen);
  for (const auto& [down, right] : {std::pair{0, 1}, std::pair{1, 0}}) {
    const std::vector<float> moved = shifted(p, map, down, right);
    const std::vector<float> moved_scores = scores_of(problem, moved);
    for (std::int64_t k = 0; k < p.count(); ++k) {
      const std::int64_t i = (k / p.stride_width + down) % p.stride_height, j = (k % p.stride_width + right) % p.stride_width;
      ASSERT_EQ(0, std::memcmp(&scores[static_cast<std::size_t>(k)], &moved_scores[static_cast<std::size_t>(i * p.stride_width + j)],
                               sizeof(float)));
    }
    ASSERT_TRUE(canonical(p, moved, choice_of(p, moved, moved_scores)) == content) << "shifted by " << down << ", " << right;
  }
}

}  // namespace linn::detail::kernels::check
