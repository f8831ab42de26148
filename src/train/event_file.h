// Event files, which TensorBoard reads: records of serialized Event messages.
//
// A record (TFRecord) is the length of its data (8 bytes), the masked CRC-32C of these 8 bytes, the data, and the masked CRC-32C of the data, all
// little-endian. The messages are those of tensorflow/core/util/event.proto and framework/summary.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

namespace linn::detail::train {

/// The bytes of one record.
std::string record_of(std::span<const std::byte> data);
/// An Event that says which version of the format follows; the first of each file.
std::string version_event(double seconds);
/// An Event with one number, as the plugin "scalars" takes it: a float tensor without axes. `seconds` since 1970.
std::string scalar_event(double seconds, std::int64_t step, const std::string& tag, float value);

/// A new file DIRECTORY/events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER; the directory is made where it is missing. Every record is in the file
/// when the call that wrote it returns, so that TensorBoard can follow the training. IoError for what cannot be written.
class EventFile {
 public:
  explicit EventFile(const std::string& directory);

  void scalar(std::int64_t step, const std::string& tag, double value);
  const std::string& path() const { return path_; }

 private:
  void append(const std::string& event);

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace linn::detail::train
