// The members of a JSON object, in their order: what io::Json keeps objects in.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace linn::detail::io {

/// As nlohmann's ordered_map, whose members have constant keys and so are copied, with all that they hold, whenever it grows, which takes time and
/// memory that may not be there. These are moved.
template <class Key, class T, class /*IgnoredLess*/, class Allocator>
class JsonObject : public std::vector<std::pair<Key, T>, typename std::allocator_traits<Allocator>::template rebind_alloc<std::pair<Key, T>>> {
 public:
  using Container = std::vector<std::pair<Key, T>, typename std::allocator_traits<Allocator>::template rebind_alloc<std::pair<Key, T>>>;
  using key_type = Key;
  using mapped_type = T;
  using value_type = typename Container::value_type;
  using size_type = typename Container::size_type;
  using iterator = typename Container::iterator;
  using const_iterator = typename Container::const_iterator;
  using key_compare = std::equal_to<>;

  JsonObject() = default;
  template <std::input_iterator It>
  JsonObject(It first, It last) {
    insert(first, last);
  }

  iterator find(std::string_view key) { return std::ranges::find(*this, key, [](const value_type& member) { return std::string_view(member.first); }); }
  const_iterator find(std::string_view key) const {
    return std::ranges::find(*this, key, [](const value_type& member) { return std::string_view(member.first); });
  }
  size_type count(std::string_view key) const { return find(key) == this->end() ? 0 : 1; }

  T& at(std::string_view key) {
    const iterator found = find(key);
    if (found == this->end()) throw std::out_of_range("key not found");
    return found->second;
  }
  const T& at(std::string_view key) const { return const_cast<JsonObject&>(*this).at(key); }

  /// The member, and whether it is new: one that is there stays as it is.
  template <class K, class V>
    requires std::convertible_to<const K&, std::string_view>
  std::pair<iterator, bool> emplace(K&& key, V&& value) {
    const iterator found = find(key);
    if (found != this->end()) return {found, false};
    Container::emplace_back(std::forward<K>(key), std::forward<V>(value));
    return {std::prev(this->end()), true};
  }
  template <class K>
    requires std::convertible_to<const K&, std::string_view>
  T& operator[](K&& key) {
    return emplace(std::forward<K>(key), T{}).first->second;
  }

  std::pair<iterator, bool> insert(value_type&& member) { return emplace(std::move(member.first), std::move(member.second)); }
  std::pair<iterator, bool> insert(const value_type& member) { return emplace(member.first, member.second); }
  template <std::input_iterator It>
  void insert(It first, It last) {
    for (; first != last; ++first) insert(*first);
  }

  using Container::erase;
  size_type erase(std::string_view key) {
    const iterator found = find(key);
    if (found == this->end()) return 0;
    Container::erase(found);
    return 1;
  }
};

}  // namespace linn::detail::io
