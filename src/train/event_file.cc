#include "train/event_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <protozero/pbf_writer.hpp>

#include "io/checksum.h"
#include "io/file.h"
#include "linn/error.h"

namespace linn::detail::train {
namespace {

// Numbers of the fields of messages.
constexpr protozero::pbf_tag_type event_wall_time = 1, event_step = 2, event_file_version = 3, event_summary = 5, summary_value = 1;
constexpr protozero::pbf_tag_type value_tag = 1, value_tensor = 8, value_metadata = 9, metadata_plugin_data = 1, plugin_name = 1;
constexpr protozero::pbf_tag_type tensor_dtype = 1, tensor_shape = 2, tensor_float_val = 5;
constexpr std::int32_t dt_float = 1;

double seconds_now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

template <class T>
void append_little_endian(std::string& to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) to += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

// Plain sums would be found in data that hold sums themselves.
std::uint32_t masked(std::uint32_t sum) { return std::rotr(sum, 15) + 0xa282ead8U; }

std::uint32_t masked_sum(std::span<const std::byte> bytes) { return masked(io::crc32c(bytes)); }

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) return "localhost";
  return name;
}

}  // namespace

std::string record_of(std::span<const std::byte> data) {
  std::string record;
  append_little_endian(record, static_cast<std::uint64_t>(data.size()));
  append_little_endian(record, masked_sum(bytes_of(record)));
  record.append(reinterpret_cast<const char*>(data.data()), data.size());
  append_little_endian(record, masked_sum(data));
  return record;
}

std::string version_event(double seconds) {
  std::string event;
  protozero::pbf_writer writer(event);
  writer.add_double(event_wall_time, seconds);
  writer.add_string(event_file_version, "brain.Event:2");
  return event;
}

std::string scalar_event(double seconds, std::int64_t step, const std::string& tag, float value) {
  std::string plugin, metadata, tensor, entry, summary, event;
  protozero::pbf_writer(plugin).add_string(plugin_name, "scalars");
  protozero::pbf_writer(metadata).add_message(metadata_plugin_data, plugin);
  protozero::pbf_writer tensor_writer(tensor);
  tensor_writer.add_enum(tensor_dtype, dt_float);
  tensor_writer.add_message(tensor_shape, std::string());
  tensor_writer.add_packed_float(tensor_float_val, &value, &value + 1);
  protozero::pbf_writer entry_writer(entry);
  entry_writer.add_string(value_tag, tag);
  entry_writer.add_message(value_tensor, tensor);
  entry_writer.add_message(value_metadata, metadata);
  protozero::pbf_writer(summary).add_message(summary_value, entry);
  protozero::pbf_writer writer(event);
  writer.add_double(event_wall_time, seconds);
  writer.add_int64(event_step, step);
  writer.add_message(event_summary, summary);
  return event;
}

EventFile::EventFile(const std::string& directory) {
  static std::atomic<int> number = 0;  // names of two files of one second differ
  io::make_directories(directory);
  const double seconds = seconds_now();
  path_ = fmt::format("{}/events.out.tfevents.{}.{}.{}.{}.v2", directory, static_cast<std::int64_t>(seconds), host_name(), ::getpid(),
                      number++);
  file_.reset(std::fopen(path_.c_str(), "wbx"));
  if (file_ == nullptr) throw IoError(fmt::format("{} cannot be made: {}", path_, std::strerror(errno)));
  append(version_event(seconds));
}

void EventFile::scalar(std::int64_t step, const std::string& tag, double value) {
  append(scalar_event(seconds_now(), step, tag, static_cast<float>(value)));
}

void EventFile::append(const std::string& event) {
  const std::string record = record_of(bytes_of(event));
  if (std::fwrite(record.data(), 1, record.size(), file_.get()) != record.size() || std::fflush(file_.get()) != 0)
    throw IoError(fmt::format("{} cannot be written: {}", path_, std::strerror(errno)));
}

}  // namespace linn::detail::train
