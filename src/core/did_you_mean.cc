#include "core/did_you_mean.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace linn::detail::core {
namespace {

// Longer names are compared with nothing: the work is quadratic, and nobody mistypes 200 letters.
constexpr std::size_t longest = 200;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::size_t distance(std::string_view a, std::string_view b) {
  // Three rows of the usual table: the swap of two neighbours looks two rows back.
  std::array<std::vector<std::size_t>, 3> rows;
  for (auto& row : rows) row.resize(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& last = rows[(i + 2) % 3];
    const auto& before = rows[(i + 1) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

template <class Text>
std::string nearest(std::string_view name, std::span<const Text> known) {
  if (name.empty() || name.size() > longest) return "";
  const Text* best = nullptr;
  std::size_t least = 0;
  for (const Text& candidate : known) {
    if (candidate.empty() || candidate.size() > longest) continue;
    const std::size_t length = std::max(name.size(), candidate.size());
    const std::size_t allowed = std::max<std::size_t>(1, length / 3);
    const std::size_t apart = distance(name, candidate);
    if (apart > allowed || apart == length) continue;
    if (best == nullptr || apart < least) {
      best = &candidate;
      least = apart;
    }
  }
  if (best == nullptr) return "";
  return " (did you mean \"" + std::string(*best) + "\"?)";
}

}  // namespace

std::string did_you_mean(std::string_view name, std::span<const std::string_view> known) { return nearest(name, known); }

std::string did_you_mean(std::string_view name, std::span<const std::string> known) { return nearest(name, known); }

}  // namespace linn::detail::core
