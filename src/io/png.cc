#include "io/png.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <new>

#include "io/file.h"
#include "io/inflate.h"
#include "io/text.h"
#include "linn/error.h"

// libpng leaves a failed call by longjmp. Between setjmp and the calls of libpng there must be no object with a destructor:
// the functions that call setjmp (those named try_...) hold plain values only, and report by their result and Failure.
namespace linn::detail::io {
namespace {

struct Failure {
  std::array<char, 160> text{};
};

extern "C" {
static void png_failed(png_structp png, png_const_charp message) {
  auto* failure = static_cast<Failure*>(png_get_error_ptr(png));
  std::strncpy(failure->text.data(), message, failure->text.size() - 1);
  png_longjmp(png, 1);
}
static void png_warned(png_structp, png_const_charp) {}
}

// ---- reading -----------------------------------------------------------------------------------------------------

struct Input {
  const std::byte* bytes = nullptr;
  std::size_t size = 0;
  std::size_t at = 0;
};

extern "C" {
static void png_take(png_structp png, png_bytep to, std::size_t count) {
  auto* input = static_cast<Input*>(png_get_io_ptr(png));
  if (count > input->size - input->at) png_error(png, "truncated");
  std::memcpy(to, input->bytes + input->at, count);
  input->at += count;
}
}

class PngReader {
 public:
  PngReader(std::span<const std::byte> bytes, Failure* failure) : input_{bytes.data(), bytes.size(), 0} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, failure, png_failed, png_warned);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw MemoryError("no memory to read a PNG image");
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool try_header() {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_read_fn(png_, &input_, png_take);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // ours come after the header
    png_set_chunk_malloc_max(png_, 8u << 20);
    png_set_chunk_cache_max(png_, 1000);
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_read_info(png_, info_);
    return true;
  }

  // The header's facts; valid after try_header.
  std::uint64_t width() const { return png_get_image_width(png_, info_); }
  std::uint64_t height() const { return png_get_image_height(png_, info_); }
  std::uint64_t bits_per_pixel() const { return std::uint64_t{png_get_bit_depth(png_, info_)} * png_get_channels(png_, info_); }
  bool colour() const { return (png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR) != 0; }

  bool try_transform() {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_expand(png_);    // palette to colours, few bits to 8, a transparent colour to alpha
    png_set_scale_16(png_);  // with rounding, where png_set_strip_16 would cut
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }
  // After try_transform: 1 grey, 2 grey and alpha, 3 colours, 4 colours and alpha, a byte each.
  std::size_t channels() const { return png_get_channels(png_, info_); }
  std::size_t row_bytes() const { return png_get_rowbytes(png_, info_); }

  bool try_pixels(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }
  std::size_t offset() const { return input_.at; }

 private:
  Input input_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

std::uint8_t over_white(unsigned value, unsigned alpha) {
  return static_cast<std::uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

[[noreturn]] void fail(const PngReader& reader, const Failure& failure, const std::string& where) {
  format_error(where, "damaged PNG image near offset {}: {}", reader.offset(), quote(failure.text.data()));
}

// Reads the header and checks the declared sizes against the limit and the bytes that are there.
void open_png(PngReader& reader, const Failure& failure, std::size_t bytes, const std::string& where, const ImageLimits& limits) {
  if (!reader.try_header()) fail(reader, failure, where);
  const std::uint64_t width = reader.width();
  const std::uint64_t height = reader.height();
  if (width * height > limits.pixels)
    format_error(where, "PNG image of {} x {} pixels; at most {} pixels are allowed", width, height, limits.pixels);
  // Its rows cannot take less in the file than deflate at its best makes of them.
  const std::uint64_t raw = (width * reader.bits_per_pixel() + 7) / 8 * height;
  if (raw / deflate_ratio > bytes)
    format_error(where, "truncated: a PNG image of {} x {} pixels cannot lie in {} bytes", width, height, bytes);
}

}  // namespace

ImageHeader read_png_header(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits) {
  Failure failure;
  PngReader reader(bytes, &failure);
  open_png(reader, failure, bytes.size(), where, limits);
  return {static_cast<std::int64_t>(reader.height()), static_cast<std::int64_t>(reader.width()), reader.colour() ? 3 : 1};
}

Tensor read_png(std::span<const std::byte> bytes, const std::string& where, const ImageLimits& limits) {
  Failure failure;
  PngReader reader(bytes, &failure);
  open_png(reader, failure, bytes.size(), where, limits);
  const std::uint64_t width = reader.width();
  const std::uint64_t height = reader.height();
  if (!reader.try_transform()) fail(reader, failure, where);
  const std::size_t channels = reader.channels();
  if (reader.row_bytes() != width * channels) format_error(where, "PNG image of an unknown kind");

  const bool alpha = channels == 2 || channels == 4;
  const std::size_t colours = alpha ? channels - 1 : channels;
  const Shape shape{static_cast<std::int64_t>(height), static_cast<std::int64_t>(width), static_cast<std::int64_t>(colours)};
  Tensor decoded(alpha ? Shape{shape[0], shape[1], static_cast<std::int64_t>(channels)} : shape, DType::u8);
  std::vector<png_bytep> rows(static_cast<std::size_t>(height));
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = decoded.values<std::uint8_t>().data() + y * reader.row_bytes();
  if (!reader.try_pixels(rows.data())) fail(reader, failure, where);
  if (!alpha) return decoded;

  Tensor image(shape, DType::u8);
  const auto src = decoded.values<std::uint8_t>();
  const auto dst = image.values<std::uint8_t>();
  for (std::size_t pixel = 0; pixel < dst.size() / colours; ++pixel)
    for (std::size_t c = 0; c < colours; ++c)
      dst[pixel * colours + c] = over_white(src[pixel * channels + c], src[pixel * channels + colours]);
  return image;
}

// ---- writing -----------------------------------------------------------------------------------------------------

namespace {

struct Output {
  std::vector<std::byte> bytes;
};

extern "C" {
static void png_put(png_structp png, png_bytep from, std::size_t count) {
  auto* output = static_cast<Output*>(png_get_io_ptr(png));
  bool failed = false;
  try {
    const auto* first = reinterpret_cast<const std::byte*>(from);
    output->bytes.insert(output->bytes.end(), first, first + count);
  } catch (const std::bad_alloc&) {
    failed = true;  // the exception ends here: nothing may be thrown through libpng
  }
  if (failed) png_error(png, "no memory");
}
static void png_flush_nothing(png_structp) {}
}

class PngWriter {
 public:
  explicit PngWriter(Failure* failure) {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, failure, png_failed, png_warned);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, nullptr);
      throw MemoryError("no memory to write a PNG image");
    }
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  bool try_write(Output* output, png_uint_32 width, png_uint_32 height, int colour_type, png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_write_fn(png_, output, png_put, png_flush_nothing);
    png_set_IHDR(png_, info_, width, height, 8, colour_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    png_write_image(png_, rows);
    png_write_end(png_, nullptr);
    return true;
  }

 private:
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

std::vector<std::byte> encode_png(const Tensor& image) {
  if (!image.defined() || image.dtype() != DType::u8)
    throw ValueError(std::string("a PNG image is written from uint8, not from ") +
                     (image.defined() ? std::string(name_of(image.dtype())) : "an empty tensor"));
  const Shape& shape = image.shape();
  const bool fits = shape.rank() == 2 || (shape.rank() == 3 && (shape[2] == 1 || shape[2] == 3));
  constexpr std::int64_t longest = 0x7fffffff;
  if (!fits || shape[0] < 1 || shape[1] < 1 || shape[0] > longest || shape[1] > longest)
    throw ShapeError("a PNG image is written from a tensor (height, width), (height, width, 1) or (height, width, 3); " +
                     shape.to_string() + " came");
  const std::size_t channels = shape.rank() == 3 ? static_cast<std::size_t>(shape[2]) : 1;
  const auto pixels = image.values<std::uint8_t>();
  std::vector<png_bytep> rows(static_cast<std::size_t>(shape[0]));
  // libpng reads rows through a plain pointer and changes nothing in them.
  for (std::size_t y = 0; y < rows.size(); ++y)
    rows[y] = const_cast<png_bytep>(pixels.data() + y * static_cast<std::size_t>(shape[1]) * channels);
  Failure failure;
  Output output;
  PngWriter writer(&failure);
  if (!writer.try_write(&output, static_cast<png_uint_32>(shape[1]), static_cast<png_uint_32>(shape[0]),
                        channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, rows.data()))
    throw ValueError("a tensor of shape " + shape.to_string() + " cannot be written as PNG: " + failure.text.data());
  return std::move(output.bytes);
}

void write_png(const std::string& path, const Tensor& image) { write_file_atomically(path, encode_png(image)); }

}  // namespace linn::detail::io
