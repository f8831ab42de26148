#include "io/json.h"

#include <fmt/format.h>
#include <locale.h>

#include <array>
#include <atomic>
#include <cmath>
#include <functional>
#include <iterator>
#include <new>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/did_you_mean.h"
#include "io/text.h"
#include "linn/error.h"

namespace linn::detail::io {
namespace {

// nlohmann's parser reads fractions by strtod, and strtod by the decimal point of the thread's locale, which a program may have set to a
// comma (Qt and GTK do). Within this scope the thread has the locale "C".
class NumbersAsInC {
 public:
  NumbersAsInC() : before_(::uselocale(c_locale())) {}
  ~NumbersAsInC() { ::uselocale(before_); }
  NumbersAsInC(const NumbersAsInC&) = delete;
  NumbersAsInC& operator=(const NumbersAsInC&) = delete;

 private:
  static locale_t c_locale() {
    static const locale_t locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
    return locale;
  }
  locale_t before_;
};

// Walks over the text and tells the handler how far the parser has read, for the places in messages.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, std::size_t* count) : at_(at), count_(count) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*count_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at_ == b.at_; }

 private:
  const char* at_;
  std::size_t* count_;
};

// Builds the value from the parser's events. nlohmann's own builder keeps the last of two equal keys and knows no limits.
class Builder {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  Builder(std::string_view text, std::string_view name, const JsonLimits& limits, const std::size_t* read)
      : text_(text), name_(name), limits_(limits), read_(read) {}

  Json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(number_integer_t value) { return add(value); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max()))
      fail(*read_, "the integer {} is too large; at most 9223372036854775807 is allowed", value);
    return add(static_cast<number_integer_t>(value));
  }
  bool number_float(number_float_t value, const string_t& written) {
    // The parser turns integers that pass 64 bits into doubles.
    if (written.find_first_of(".eE") == string_t::npos) fail(*read_, "the integer {} does not fit 64 bits", quote(written, 40));
    if (!std::isfinite(value)) fail(*read_, "the number {} is out of range", quote(written, 40));
    return add(value);
  }
  bool string(string_t& value) { return add(std::move(value)); }
  bool binary(binary_t&) { fail(*read_, "binary values are not allowed"); }
  bool start_object(std::size_t) { return open(Json::object()); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_array() { return close(); }
  bool key(string_t& value) {
    if (!open_.back().keys.insert(value).second) fail(*read_, "the key {} appears twice in one object", quote(value));
    open_.back().key = std::move(value);
    return true;
  }
  template <class Exception>
  bool parse_error(std::size_t position, const std::string& last, const Exception& exception) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ...": the places are ours.
    std::string_view reason = exception.what();
    for (const std::string_view opening : {std::string_view("] "), std::string_view(": ")})
      if (const auto at = reason.find(opening); at != std::string_view::npos) reason.remove_prefix(at + opening.size());
    if (exception.id == 406) fail(*read_, "the number {} is out of range", quote(last, 40));
    std::string shown;  // the parser repeats what it read, which may be any bytes
    for (const char c : reason.substr(0, 200))
      shown += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e ? '?' : c;
    fail(position, "{}", shown);
  }

 private:
  struct Level {
    Json* value;
    std::string key;
    std::unordered_set<std::string> keys;
  };

  template <class... Args>
  [[noreturn]] void fail(std::size_t read, fmt::format_string<Args...> message, Args&&... args) const {
    // `read` counts the bytes read, the last of which is the one that shows the fault.
    const std::string_view before = text_.substr(0, read > 0 ? read - 1 : 0);
    std::size_t line = 1;
    std::size_t column = 1;
    for (const char c : before) {
      ++column;
      if (c == '\n') {
        ++line;
        column = 1;
      }
    }
    throw FormatError(fmt::format("{}:{}:{}: {}", name_, line, column, fmt::format(message, std::forward<Args>(args)...)));
  }

  Json* place(Json value) {
    if (++values_ > limits_.values) fail(*read_, "more than {} values", limits_.values);
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = open_.back();
    if (level.value->is_array()) {
      auto& array = level.value->get_ref<Json::array_t&>();
      array.push_back(std::move(value));
      return &array.back();
    }
    // Straight into the vector below: ordered_map's own insertion searches all keys, and they are known to differ.
    auto& object = level.value->get_ref<Json::object_t&>();
    object.Json::object_t::Container::emplace_back(std::move(level.key), std::move(value));
    return &object.back().second;
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (open_.size() >= limits_.depth) fail(*read_, "nested deeper than {} levels", limits_.depth);
    Json* const placed = place(std::move(value));
    open_.push_back({placed, {}, {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string_view name_;
  const JsonLimits& limits_;
  const std::size_t* read_;
  Json root_;
  // The containers being filled. A container only grows while it is the last one, so the pointers stay good.
  std::vector<Level> open_;
  std::size_t values_ = 0;
};

void check_finite(const Json& value) {
  if (value.is_number_float()) {
    if (!std::isfinite(value.get<double>()))
      throw ValueError(
          fmt::format("the number {} cannot be written as JSON, which has no NaN and no infinity", value.get<double>()));
  } else if (value.is_structured()) {
    for (const Json& part : value) check_finite(part);
  }
}

[[noreturn]] void wrong(const Json& value, std::string_view where, std::string_view what, std::string_view allowed) {
  format_error(where, "{}: {} came, {} is allowed", what, describe(value), allowed);
}

std::string field_name(std::string_view key) { return "field " + quote(key); }

std::string range_text(std::int64_t least, std::int64_t most) {
  const bool low = least != std::numeric_limits<std::int64_t>::min();
  const bool high = most != std::numeric_limits<std::int64_t>::max();
  if (low && high) return fmt::format("an integer from {} to {}", least, most);
  if (low) return fmt::format("an integer of {} or more", least);
  if (high) return fmt::format("an integer of at most {}", most);
  return "an integer";
}

const std::string& as_string(const Json& value, std::string_view where, std::string_view what) {
  if (!value.is_string()) wrong(value, where, what, "a text");
  return value.get_ref<const std::string&>();
}

bool as_bool(const Json& value, std::string_view where, std::string_view what) {
  if (!value.is_boolean()) wrong(value, where, what, "true or false");
  return value.get<bool>();
}

}  // namespace

Json parse_json(std::string_view text, std::string_view name, const JsonLimits& limits) {
  if (text.size() > limits.bytes)
    throw FormatError(fmt::format("{}: {} bytes of JSON; at most {} are allowed", name, text.size(), limits.bytes));
  if (text.empty()) throw FormatError(fmt::format("{}:1:1: empty; a JSON value was expected", name));
  const NumbersAsInC locale;
  std::size_t read = 0;
  Builder builder(text, name, limits, &read);
  const char* const begin = text.data();
  Json::sax_parse(CountingIterator(begin, &read), CountingIterator(begin + text.size(), &read), &builder);
  return builder.take();
}

std::string dump_json(const Json& value, int indent) {
  check_finite(value);
  try {
    return value.dump(indent);
  } catch (const nlohmann::json::exception&) {
    throw ValueError("a text that is not valid UTF-8 cannot be written as JSON");
  }
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string describe(const Json& value) {
  if (value.is_string()) return quote(value.get_ref<const std::string&>(), 40);
  if (value.is_object()) return "an object";
  if (value.is_array()) {
    if (value.size() <= 8) {
      std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
      if (text.size() <= 60) return text;
    }
    return fmt::format("an array of {} values", value.size());
  }
  return value.dump();
}

const Json* find_field(const Json& object, std::string_view key, std::string_view where) {
  if (!object.is_object()) format_error(where, "{} came, an object with the field {} is allowed", describe(object), quote(key));
  for (const auto& [name, value] : object.get_ref<const Json::object_t&>())
    if (name == key) return value.is_null() ? nullptr : &value;
  return nullptr;
}

const Json& field(const Json& object, std::string_view key, std::string_view where) {
  if (const Json* value = find_field(object, key, where)) return *value;
  for (const auto& [name, value] : object.get_ref<const Json::object_t&>())
    if (name == key) return value;  // null, which the caller judges
  format_error(where, "field {} is missing", quote(key));
}

const Json& object_field(const Json& object, std::string_view key, std::string_view where) {
  const Json& value = field(object, key, where);
  if (!value.is_object()) wrong(value, where, field_name(key), "an object");
  return value;
}

const Json& array_field(const Json& object, std::string_view key, std::string_view where) {
  const Json& value = field(object, key, where);
  if (!value.is_array()) wrong(value, where, field_name(key), "an array");
  return value;
}

const std::string& string_field(const Json& object, std::string_view key, std::string_view where) {
  return as_string(field(object, key, where), where, field_name(key));
}

bool bool_field(const Json& object, std::string_view key, std::string_view where) {
  return as_bool(field(object, key, where), where, field_name(key));
}

double number_field(const Json& object, std::string_view key, std::string_view where) {
  return as_number(field(object, key, where), where, field_name(key));
}

std::int64_t integer_field(const Json& object, std::string_view key, std::string_view where, std::int64_t least,
                           std::int64_t most) {
  return as_integer(field(object, key, where), where, field_name(key), least, most);
}

std::string string_field_or(const Json& object, std::string_view key, std::string_view where, std::string_view otherwise) {
  const Json* value = find_field(object, key, where);
  return value == nullptr ? std::string(otherwise) : as_string(*value, where, field_name(key));
}

bool bool_field_or(const Json& object, std::string_view key, std::string_view where, bool otherwise) {
  const Json* value = find_field(object, key, where);
  return value == nullptr ? otherwise : as_bool(*value, where, field_name(key));
}

double number_field_or(const Json& object, std::string_view key, std::string_view where, double otherwise) {
  const Json* value = find_field(object, key, where);
  return value == nullptr ? otherwise : as_number(*value, where, field_name(key));
}

std::int64_t integer_field_or(const Json& object, std::string_view key, std::string_view where, std::int64_t otherwise,
                              std::int64_t least, std::int64_t most) {
  const Json* value = find_field(object, key, where);
  return value == nullptr ? otherwise : as_integer(*value, where, field_name(key), least, most);
}

const std::string& choice_field(const Json& object, std::string_view key, std::string_view where,
                                std::span<const std::string_view> allowed) {
  const std::string& value = string_field(object, key, where);
  std::string list;
  for (const std::string_view name : allowed) {
    if (name == value) return value;
    list += (list.empty() ? "" : ", ") + quote(name);
  }
  format_error(where, "field {}: {} came, allowed are {}{}", quote(key), quote(value), list, core::did_you_mean(value, allowed));
}

std::int64_t as_integer(const Json& value, std::string_view where, std::string_view what, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  if (value.is_number_integer()) {
    // Values made by a program, not parsed, may be unsigned and past 2^63.
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      wrong(value, where, what, range_text(least, most));
    number = value.get<std::int64_t>();
  } else if (value.is_number_float() && std::abs(value.get<double>()) < 0x1p53 &&
             std::trunc(value.get<double>()) == value.get<double>()) {
    number = static_cast<std::int64_t>(value.get<double>());
  } else {
    wrong(value, where, what, range_text(least, most));
  }
  if (number < least || number > most) wrong(value, where, what, range_text(least, most));
  return number;
}

double as_number(const Json& value, std::string_view where, std::string_view what) {
  if (!value.is_number()) wrong(value, where, what, "a number");
  return value.get<double>();
}

void check_keys(const Json& object, std::span<const std::string_view> known, std::string_view where) {
  if (!object.is_object()) format_error(where, "{} came, an object is allowed", describe(object));
  for (const auto& [name, value] : object.get_ref<const Json::object_t&>()) {
    bool found = false;
    for (const std::string_view key : known) found = found || key == name;
    if (!found) format_error(where, "unknown field {}{}", quote(name), core::did_you_mean(name, known));
  }
}

namespace {

// Pieces are cut off one behind the other; the last one is free again when it is given back, and all of them once none is left.
class Reserve {
 public:
  void* take(std::size_t bytes) {
    const Lock lock(busy_);
    const std::size_t size = rounded(bytes);
    if (size > memory_.size() - used_) return nullptr;
    std::byte* const piece = memory_.data() + used_;
    used_ += size;
    ++living_;
    return piece;
  }
  // Whether it was a piece of this.
  bool give_back(void* piece, std::size_t bytes) noexcept {
    const std::less<const void*> before;
    if (before(piece, memory_.data()) || !before(piece, memory_.data() + memory_.size())) return false;
    const Lock lock(busy_);
    const std::size_t size = rounded(bytes);
    if (static_cast<std::byte*>(piece) + size == memory_.data() + used_) used_ -= size;
    if (--living_ == 0) used_ = 0;
    return true;
  }

 private:
  // Takes no memory and throws nothing, unlike std::mutex.
  class Lock {
   public:
    explicit Lock(std::atomic_flag& busy) : busy_(busy) {
      while (busy_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
    }
    ~Lock() { busy_.clear(std::memory_order_release); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    std::atomic_flag& busy_;
  };

  static std::size_t rounded(std::size_t bytes) { return (bytes + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t); }

  alignas(std::max_align_t) std::array<std::byte, std::size_t{1} << 20> memory_;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  std::size_t used_ = 0, living_ = 0;
};

Reserve reserve;

}  // namespace

void* take_needed_memory(std::size_t bytes) {
  void* memory = ::operator new(bytes, std::nothrow);
  if (memory == nullptr) memory = reserve.take(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void give_back_needed_memory(void* memory, std::size_t bytes) noexcept {
  if (!reserve.give_back(memory, bytes)) ::operator delete(memory);
}

}  // namespace linn::detail::io
