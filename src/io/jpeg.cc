#include "io/jpeg.h"

#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include <jpeglib.h>
// jerror.h needs jpeglib.h before it
#include <jerror.h>

#include "io/bytes.h"
#include "io/text.h"
#include "linn/error.h"

// libjpeg leaves a failed call by longjmp, as libpng does: the functions named try_... hold no object with a destructor.
namespace linn::detail::io {
namespace {

// A progressive image may come in any number of scans over all its pixels; honest ones have about ten.
constexpr int most_scans = 500;

struct ErrorManager {
  jpeg_error_mgr base{};  // first, so that libjpeg's pointer is ours
  std::jmp_buf back{};
  std::array<char, JMSG_LENGTH_MAX> text{};
};

struct ProgressManager {
  jpeg_progress_mgr base{};
};

extern "C" {
static void jpeg_failed(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  (*info->err->format_message)(info, errors->text.data());
  std::longjmp(errors->back, 1);
}

static void jpeg_said(j_common_ptr info, int level) {
  if (level >= 0) return;  // traces
  // Warnings stand for damage (the image ends early, a code that does not exist); libjpeg would go on with grey.
  // These three come with images that are whole.
  const int code = info->err->msg_code;
  if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM) return;
  jpeg_failed(info);
}

static void jpeg_ignore(j_common_ptr) {}

static void jpeg_progress(j_common_ptr info) {
  if (!info->is_decompressor) return;
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= most_scans) return;
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  std::snprintf(errors->text.data(), errors->text.size(), "more than %d scans", most_scans);
  std::longjmp(errors->back, 1);
}
}

class JpegReader {
 public:
  JpegReader() {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = jpeg_failed;
    errors_.base.emit_message = jpeg_said;
    errors_.base.output_message = jpeg_ignore;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool try_header(const std::byte* bytes, std::size_t size) {
    if (setjmp(errors_.back)) return false;
    jpeg_create_decompress(&info_);
    progress_.base.progress_monitor = jpeg_progress;
    info_.progress = &progress_.base;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes), static_cast<unsigned long>(size));
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  std::uint64_t width() const { return info_.image_width; }
  std::uint64_t height() const { return info_.image_height; }
  int components() const { return info_.num_components; }
  bool cmyk() const { return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK; }
  bool known() const {
    return cmyk() || info_.jpeg_color_space == JCS_GRAYSCALE || info_.jpeg_color_space == JCS_YCbCr ||
           info_.jpeg_color_space == JCS_RGB;
  }
  bool inverted() const { return info_.saw_Adobe_marker != FALSE; }
  int orientation() const {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const int value = exif_orientation(std::as_bytes(std::span(marker->data, marker->data_length)));
      if (value != 1) return value;
    }
    return 1;
  }

  // `to` has room for width x height x channels bytes.
  bool try_pixels(unsigned char* to, std::size_t channels) {
    if (setjmp(errors_.back)) return false;
    info_.out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    info_.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = to + static_cast<std::size_t>(info_.output_scanline) * info_.output_width * channels;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }
  const char* text() const { return errors_.text.data(); }

 private:
  ErrorManager errors_;
  ProgressManager progress_;
  jpeg_decompress_struct info_{};
};

// In the file, before CMYK becomes colour.
int channels_of(const JpegReader& reader) { return reader.cmyk() ? 4 : reader.components() == 1 ? 1 : 3; }

[[noreturn]] void fail(const JpegReader& reader, const std::string& where) {
  format_error(where, "damaged or truncated JPEG image: {}", quote(reader.text()));
}

void open_jpeg(JpegReader& reader, std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits) {
  if (bytes.empty()) format_error(where, "truncated: an empty file is no JPEG image");
  if (!reader.try_header(bytes.data(), bytes.size())) fail(reader, where);
  if (reader.width() * reader.height() > limits.pixels)
    format_error(where, "JPEG image of {} x {} pixels; at most {} pixels are allowed", reader.width(), reader.height(), limits.pixels);
  if (!reader.known()) format_error(where, "JPEG image with {} components of an unknown colour space", reader.components());
}

Tensor from_cmyk(const Tensor& decoded, bool inverted) {
  Tensor image(Shape{decoded.shape()[0], decoded.shape()[1], 3}, DType::u8);
  const auto src = decoded.values<std::uint8_t>();
  const auto dst = image.values<std::uint8_t>();
  for (std::size_t pixel = 0; pixel < dst.size() / 3; ++pixel) {
    // Adobe stores 255 - ink, so the values are light already.
    const auto light = [&](std::size_t i) {
      return static_cast<unsigned>(inverted ? src[pixel * 4 + i] : 255 - src[pixel * 4 + i]);
    };
    for (std::size_t c = 0; c < 3; ++c) dst[pixel * 3 + c] = static_cast<std::uint8_t>((light(c) * light(3) + 127) / 255);
  }
  return image;
}

Tensor oriented(const Tensor& image, int orientation) {
  if (orientation == 1) return image;
  const std::int64_t height = image.shape()[0];
  const std::int64_t width = image.shape()[1];
  const auto channels = static_cast<std::size_t>(image.shape()[2]);
  const bool turned = orientation >= 5;
  Tensor result(turned ? Shape{width, height, image.shape()[2]} : image.shape(), DType::u8);
  const auto src = image.values<std::uint8_t>();
  const auto dst = result.values<std::uint8_t>();
  for (std::int64_t y = 0; y < result.shape()[0]; ++y) {
    for (std::int64_t x = 0; x < result.shape()[1]; ++x) {
      std::int64_t from_y = turned ? x : y;
      std::int64_t from_x = turned ? y : x;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) from_x = width - 1 - from_x;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) from_y = height - 1 - from_y;
      std::memcpy(dst.data() + static_cast<std::size_t>(y * result.shape()[1] + x) * channels,
                  src.data() + static_cast<std::size_t>(from_y * width + from_x) * channels, channels);
    }
  }
  return result;
}

}  // namespace

int exif_orientation(std::span<const std::byte> block) {
  constexpr std::string_view title("Exif\0\0", 6);
  if (!text_of(block).starts_with(title)) return 1;
  const auto tiff = block.subspan(title.size());
  try {
    Reader reader(tiff, "EXIF");
    const std::string_view order = text_of(reader.take(2));
    if (order != "II" && order != "MM") return 1;
    const bool big = order == "MM";
    const auto u16 = [&] { return big ? reader.be16() : reader.le16(); };
    const auto u32 = [&] { return big ? reader.be32() : reader.le32(); };
    if (u16() != 42) return 1;
    reader.seek(u32());
    const int entries = u16();
    for (int i = 0; i < entries; ++i) {
      const std::uint16_t tag = u16();
      const std::uint16_t type = u16();
      const std::uint32_t count = u32();
      const std::uint16_t value = u16();
      reader.skip(2);
      if (tag != 0x0112) continue;
      return type == 3 && count == 1 && value >= 1 && value <= 8 ? value : 1;
    }
  } catch (const FormatError&) {
    // A damaged header: the pixels are still what they are.
  }
  return 1;
}

ImageHeader read_jpeg_header(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits) {
  JpegReader reader;
  open_jpeg(reader, bytes, where, limits);
  const auto height = static_cast<std::int64_t>(reader.height());
  const auto width = static_cast<std::int64_t>(reader.width());
  const bool turned = reader.orientation() >= 5;
  return {turned ? width : height, turned ? height : width, channels_of(reader) == 1 ? 1 : 3};
}

Tensor read_jpeg(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits) {
  JpegReader reader;
  open_jpeg(reader, bytes, where, limits);
  const int channels = channels_of(reader);
  Tensor image(Shape{static_cast<std::int64_t>(reader.height()), static_cast<std::int64_t>(reader.width()), channels}, DType::u8);
  const int orientation = reader.orientation();
  if (!reader.try_pixels(image.values<std::uint8_t>().data(), static_cast<std::size_t>(channels))) fail(reader, where);
  if (reader.cmyk()) image = from_cmyk(image, reader.inverted());
  return oriented(image, orientation);
}

}  // namespace linn::detail::io
