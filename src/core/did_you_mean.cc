#include "core/did_you_mean.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
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

// Without case and underscores: "binary_crossentropy" and "BinaryCrossentropy" are one name.
std::string folded(std::string_view name) {
  std::string letters;
  for (const char c : name)
    if (c != '_') letters += lower(c);
  return letters;
}

// The shortest known names that hold the whole of `name`, of two that differ by case and underscores the first.
template <class Text>
std::vector<std::string> holders(std::string_view name, std::span<const Text> known) {
  constexpr std::size_t shortest_part = 4, most = 3;
  const std::string part = folded(name);
  if (part.size() < shortest_part) return {};
  std::vector<std::string> found;
  for (const Text& candidate : known) {
    const std::string letters = folded(candidate);
    const auto is_same = [&](const std::string& other) { return folded(other) == letters; };
    if (letters.find(part) != std::string::npos && std::ranges::none_of(found, is_same)) found.emplace_back(candidate);
  }
  std::ranges::stable_sort(found, {}, [](const std::string& holder) { return folded(holder).size(); });
  found.resize(std::min(found.size(), most));
  return found;
}

std::string question(const std::vector<std::string>& names) {
  std::string text = " (did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "\"" : i + 1 == names.size() ? " or \"" : ", \"") + names[i] + "\"";
  return text + "?)";
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
  constexpr std::size_t slips = 2;
  if (best != nullptr && least <= slips) return question({std::string(*best)});
  if (const std::vector<std::string> found = holders(name, known); !found.empty()) return question(found);
  return best == nullptr ? "" : question({std::string(*best)});
}

}  // namespace

std::string did_you_mean(std::string_view name, std::span<const std::string_view> known) { return nearest(name, known); }

std::string did_you_mean(std::string_view name, std::span<const std::string> known) { return nearest(name, known); }

}  // namespace linn::detail::core
