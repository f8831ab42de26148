#include <cstddef>
#include <cstdio>

// clang-format off: these two need those above
#include <jpeglib.h>
#include <png.h>
// clang-format on

#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "io/image.h"
#include "io/jpeg.h"
#include "io/npy.h"
#include "io/png.h"
#include "io/test_files.h"

namespace linn::detail::io {
namespace {

using test::bytes;
using test::Bytes;
using test::every_bit_flip;
using test::every_truncation_fails;
using test::expect_error;
using test::kept;
using test::slurp;

Tensor png(const std::string& name) { return read_png(slurp(kept("io", name + ".png")), name + ".png"); }
Tensor jpeg(const std::string& name) { return read_jpeg(slurp(kept("io", name + ".jpg")), name + ".jpg"); }

int at(const Tensor& image, std::int64_t y, std::int64_t x, std::int64_t c) {
  const Shape& shape = image.shape();
  return image.values<std::uint8_t>()[static_cast<std::size_t>((y * shape[1] + x) * shape[2] + c)];
}

// The picture of make.py: five rows of seven pixels.
int grey(std::int64_t y, std::int64_t x) { return static_cast<int>(y * 40 + x * 10); }
int colour(std::int64_t y, std::int64_t x, std::int64_t c) {
  return c == 0 ? grey(y, x) : c == 1 ? 255 - grey(y, x) : grey(y, x) / 2;
}
int on_white(int value, int alpha) { return static_cast<int>(std::lround((value * alpha + 255.0 * (255 - alpha)) / 255)); }

void expect_image(const Tensor& image, std::int64_t channels,
                  const std::function<int(std::int64_t, std::int64_t, std::int64_t)>& value) {
  ASSERT_EQ(image.shape(), (Shape{5, 7, channels}));
  ASSERT_EQ(image.dtype(), DType::u8);
  for (std::int64_t y = 0; y < 5; ++y)
    for (std::int64_t x = 0; x < 7; ++x)
      for (std::int64_t c = 0; c < channels; ++c) EXPECT_EQ(at(image, y, x, c), value(y, x, c)) << y << ' ' << x << ' ' << c;
}

TEST(Png, KindsOfImages) {
  const auto grey3 = [](auto y, auto x, auto) { return grey(y, x); };
  expect_image(png("grey8"), 1, grey3);
  expect_image(png("grey16"), 1, grey3);
  expect_image(png("grey1"), 1, [](auto y, auto x, auto) { return grey(y, x) > 100 ? 255 : 0; });
  expect_image(png("rgb8"), 3, colour);
  expect_image(png("grey_alpha"), 1, [](auto y, auto x, auto) { return on_white(grey(y, x), static_cast<int>(x * 40)); });
  expect_image(png("rgba"), 3, [](auto y, auto x, auto c) { return on_white(colour(y, x, c), static_cast<int>(x * 40)); });
  const auto palette = [](auto, auto x, auto c) { return x % 4 > 0 && c == x % 4 - 1 ? 255 : 0; };
  expect_image(png("palette"), 3, palette);
  expect_image(png("palette_transparent"), 3, [&](auto y, auto x, auto c) { return x % 4 == 1 ? 255 : palette(y, x, c); });
  expect_image(png("animated"), 3, colour);
}

// The sizes that a header promises are those of the image that comes.
TEST(ImageHeaders, AgreeWithTheImages) {
  int images = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kept("io", ""))) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".png") && !path.ends_with(".jpg")) continue;
    const ImageHeader header = read_image_header(slurp(path), path);
    EXPECT_EQ(read_image(slurp(path), path).shape(), (Shape{header.height, header.width, header.channels})) << path;
    ++images;
  }
  EXPECT_GE(images, 20);
  for (const char* name : {"rgba.png", "exif6.jpg"}) {
    const Bytes whole = slurp(kept("io", name));
    every_truncation_fails(Bytes(whole.begin(), whole.begin() + 20), [&](auto part) { read_image_header(part, name); });
    every_bit_flip(whole, [&](auto part) { read_image_header(part, name); });
  }
  expect_error<FormatError>([&] { read_image_header(slurp(kept("io", "rgb8.png")), "rgb8.png", {.pixels = 30}); }, {"at most 30 pixels"});
  expect_error<FormatError>([] { read_image_header(bytes("GIF89a"), "x.png"); }, {"x.png: is no PNG and no JPEG image"});
}

// Interlaced and rarer kinds, written through libpng itself.
Bytes rare(int bits, int type, int interlace, bool transparent_colour) {
  struct Out {
    Bytes bytes;
  } out;
  png_structp write = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(write);
  png_set_write_fn(
      write, &out,
      [](png_structp p, png_bytep from, std::size_t count) {
        auto& to = static_cast<Out*>(png_get_io_ptr(p))->bytes;
        to.insert(to.end(), reinterpret_cast<std::byte*>(from), reinterpret_cast<std::byte*>(from) + count);
      },
      [](png_structp) {});
  png_set_IHDR(write, info, 7, 5, bits, type, interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (transparent_colour) {
    png_color_16 colour16{};
    colour16.gray = colour16.red = static_cast<png_uint_16>(bits == 16 ? 30 * 257 : 30);
    colour16.green = static_cast<png_uint_16>(bits == 16 ? 225 * 257 : 225);
    colour16.blue = static_cast<png_uint_16>(bits == 16 ? 15 * 257 : 15);
    png_set_tRNS(write, info, nullptr, 0, &colour16);
  }
  png_write_info(write, info);
  const int channels = (type & PNG_COLOR_MASK_COLOR ? 3 : 1) + (type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
  const int colours = type & PNG_COLOR_MASK_COLOR ? 3 : 1;
  std::vector<std::vector<unsigned char>> rows;
  std::vector<png_bytep> pointers;
  for (int y = 0; y < 5; ++y) {
    auto& row = rows.emplace_back();
    for (int x = 0; x < 7; ++x)
      for (int c = 0; c < channels; ++c)
        for (int i = 0; i < bits / 8; ++i)
          row.push_back(static_cast<unsigned char>(c == colours ? x * 40 : colours == 3 ? colour(y, x, c) : grey(y, x)));
  }
  for (auto& row : rows) pointers.push_back(row.data());
  png_write_image(write, pointers.data());
  png_write_end(write, nullptr);
  png_destroy_write_struct(&write, &info);
  return out.bytes;
}

TEST(Png, EveryCombinationOfDepthColourAlphaAndInterlace) {
  for (const int bits : {8, 16}) {
    for (const int interlace : {PNG_INTERLACE_NONE, PNG_INTERLACE_ADAM7}) {
      for (const int type : {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB_ALPHA}) {
        SCOPED_TRACE(std::to_string(bits) + " bits, type " + std::to_string(type) + ", interlace " + std::to_string(interlace));
        const bool rgb = (type & PNG_COLOR_MASK_COLOR) != 0;
        const bool alpha = (type & PNG_COLOR_MASK_ALPHA) != 0;
        expect_image(read_png(rare(bits, type, interlace, false), "a"), rgb ? 3 : 1, [&](auto y, auto x, auto c) {
          const int value = rgb ? colour(y, x, c) : grey(y, x);
          return alpha ? on_white(value, static_cast<int>(x * 40)) : value;
        });
        if (alpha) continue;
        // Pixel (0, 3) has exactly the colour that is transparent.
        expect_image(read_png(rare(bits, type, interlace, true), "a"), rgb ? 3 : 1, [&](auto y, auto x, auto c) {
          return y == 0 && x == 3 ? 255 : rgb ? colour(y, x, c) : grey(y, x);
        });
      }
    }
  }
}

TEST(Png, EveryTruncationAndBitFlip) {
  for (const char* name : {"grey8", "palette_transparent", "rgba"}) {
    const Bytes whole = slurp(kept("io", std::string(name) + ".png"));
    test::every_truncation_fails(whole, [](auto part) { read_png(part, "cut.png"); });
    const Tensor right = read_png(whole, "whole");
    // Every chunk has a checksum: nothing passes.
    const std::size_t thrown = test::every_bit_flip(whole, [](auto content) { read_png(content, "flipped.png"); });
    EXPECT_EQ(thrown, whole.size() * 8) << name;
  }
  expect_error<FormatError>([] { read_png(bytes("not a png"), "x.png"); }, {"x.png", "damaged PNG"});
}

// IHDR with other sizes, its checksum made right again.
Bytes resized(Bytes file, std::uint32_t width, std::uint32_t height) {
  for (int i = 0; i < 4; ++i) {
    file[static_cast<std::size_t>(16 + i)] = static_cast<std::byte>(width >> (24 - 8 * i));
    file[static_cast<std::size_t>(20 + i)] = static_cast<std::byte>(height >> (24 - 8 * i));
  }
  std::uint32_t crc = 0xffffffff;
  for (std::size_t i = 12; i < 29; ++i) {
    crc ^= std::to_integer<std::uint32_t>(file[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  crc = ~crc;
  for (int i = 0; i < 4; ++i) file[static_cast<std::size_t>(29 + i)] = static_cast<std::byte>(crc >> (24 - 8 * i));
  return file;
}

TEST(Png, SizesAreCheckedBeforeMemoryIsTaken) {
  const Bytes whole = slurp(kept("io", "grey8.png"));
  EXPECT_NO_THROW(read_png(resized(whole, 7, 5), "a.png"));
  const auto load = [&](std::uint32_t width, std::uint32_t height) {
    return [&whole, width, height] { read_png(resized(whole, width, height), "a.png"); };
  };
  expect_error<FormatError>(load(0x7fffffff, 0x7fffffff), {"a.png", "pixels are allowed"});
  expect_error<FormatError>(load(8193, 8192), {"8193 x 8192", "67108864"});
  expect_error<FormatError>(load(8192, 8192), {"truncated", "cannot lie in 79 bytes"});
  expect_error<FormatError>(load(0, 5), {"a.png", "damaged"});
  expect_error<FormatError>(load(0x80000000, 5), {"a.png", "damaged"});
  expect_error<FormatError>([&] { read_png(whole, "a.png", {.pixels = 34}); }, {"7 x 5", "at most 34"});
}

TEST(Png, WritesWhatItReads) {
  const test::TempDir dir;
  for (const char* name : {"grey8", "rgb8"}) {
    const Tensor image = png(name);
    write_png(dir / "a.png", image);
    const Tensor back = read_png(slurp(dir / "a.png"), "a.png");
    EXPECT_EQ(back.shape(), image.shape());
    EXPECT_EQ(test::numbers(back), test::numbers(image));
  }
  const Tensor flat = png("grey8").reshape(Shape{5, 7});
  EXPECT_EQ(read_png(encode_png(flat), "a").shape(), (Shape{5, 7, 1}));
  EXPECT_EQ(encode_png(flat), encode_png(flat));
}

TEST(Png, RefusesTensorsThatAreNoImage) {
  const test::TempDir dir;
  test::spill(dir / "a.png", bytes("old"));
  expect_error<ValueError>([&] { write_png(dir / "a.png", Tensor(Shape{2, 2})); }, {"uint8", "float32"});
  expect_error<ValueError>([&] { write_png(dir / "a.png", Tensor()); }, {"empty"});
  for (const Shape& shape : {Shape{}, Shape{4}, Shape{2, 2, 2}, Shape{2, 2, 4}, Shape{0, 2}, Shape{2, 0, 3}, Shape{1, 2, 2, 1}})
    expect_error<ShapeError>([&] { write_png(dir / "a.png", Tensor(shape, DType::u8)); }, {shape.to_string()});
  // Beyond what libpng itself takes.
  expect_error<ValueError>([&] { write_png(dir / "a.png", Tensor(Shape{1, 2'000'000}, DType::u8)); }, {"cannot be written"});
  EXPECT_EQ(slurp(dir / "a.png"), bytes("old"));
}

TEST(Jpeg, AgreesWithAnotherDecoder) {
  for (const char* name : {"grey", "rgb", "progressive"}) {
    const Tensor image = jpeg(name);
    const Tensor expected = read_npy(slurp(kept("io", std::string(name) + ".jpg.npy")), name);
    ASSERT_EQ(image.shape(), expected.shape()) << name;
    const auto a = test::numbers(image);
    const auto b = test::numbers(expected);
    for (std::size_t i = 0; i < a.size(); ++i)
      ASSERT_LE(std::abs(a[i] - b[i]), 2) << name << " at " << i;  // decoders round apart
  }
}

TEST(Jpeg, CmykBecomesColours) {
  const Tensor image = jpeg("cmyk");
  const Tensor expected = read_npy(slurp(kept("io", "cmyk.jpg.npy")), "cmyk");
  ASSERT_EQ(image.shape(), expected.shape());
  const auto a = test::numbers(image);
  const auto b = test::numbers(expected);
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_LE(std::abs(a[i] - b[i]), 3) << i;
}

TEST(Jpeg, OrientationIsApplied) {
  // White in the stored upper left corner, grey to its right. Where they must be seen for each orientation:
  struct Place {
    std::int64_t height, width, white_y, white_x, grey_y, grey_x;
  };
  const std::vector<Place> places = {{16, 24, 2, 2, 2, 12},    {16, 24, 2, 21, 2, 12}, {16, 24, 13, 21, 13, 12},
                                     {16, 24, 13, 2, 13, 12},  {24, 16, 2, 2, 12, 2},  {24, 16, 2, 13, 12, 13},
                                     {24, 16, 21, 13, 12, 13}, {24, 16, 21, 2, 12, 2}};
  for (std::size_t i = 0; i < places.size(); ++i) {
    SCOPED_TRACE("orientation " + std::to_string(i + 1));
    const Tensor image = jpeg("exif" + std::to_string(i + 1));
    const Place& place = places[i];
    ASSERT_EQ(image.shape(), (Shape{place.height, place.width, 1}));
    EXPECT_GT(at(image, place.white_y, place.white_x, 0), 240);
    EXPECT_NEAR(at(image, place.grey_y, place.grey_x, 0), 128, 10);
    EXPECT_LT(at(image, place.height - 1 - place.white_y, place.width - 1 - place.white_x, 0), 15);
  }
}

TEST(Jpeg, ExifHeadersThatMakeNoSense) {
  const auto exif = [](std::string_view tiff) {
    const Bytes block = bytes(std::string("Exif\0\0", 6) + std::string(tiff));
    return exif_orientation(block);
  };
  const std::string little("II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 22);
  const std::string big("MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0", 22);
  EXPECT_EQ(exif(little), 6);
  EXPECT_EQ(exif(big), 8);
  EXPECT_EQ(exif(""), 1);
  EXPECT_EQ(exif_orientation(bytes(little)), 1);  // without its title
  for (std::size_t size = 0; size < little.size() - 2; ++size) EXPECT_EQ(exif(little.substr(0, size)), 1) << size;
  std::string wrong = little;
  wrong[18] = '\x09';
  EXPECT_EQ(exif(wrong), 1);
  wrong = little;
  wrong[4] = '\xff';  // the directory lies outside
  EXPECT_EQ(exif(wrong), 1);
  wrong = little;
  wrong[12] = '\x04';  // another type
  EXPECT_EQ(exif(wrong), 1);
}

TEST(Jpeg, EveryTruncation) {
  for (const char* name : {"grey", "rgb", "progressive"})
    test::every_truncation_fails(slurp(kept("io", std::string(name) + ".jpg")), [](auto part) { read_jpeg(part, "cut.jpg"); });
}

TEST(Jpeg, EveryBitFlipIsAnErrorOrAnImage) {
  for (const char* name : {"grey", "progressive", "cmyk"}) {
    const Bytes whole = slurp(kept("io", std::string(name) + ".jpg"));
    const std::size_t thrown = test::every_bit_flip(whole, [](auto content) {
      const Tensor image = read_jpeg(content, "flipped.jpg", {.pixels = 1 << 20});
      EXPECT_EQ(image.shape().rank(), 3u);
    });
    EXPECT_GT(thrown, 0u);
  }
}

// A later version of JFIF, and bytes between two segments that belong to none: libjpeg warns, and the image is whole.
TEST(Jpeg, HarmlessWarningsAreNoDamage) {
  const Bytes whole = slurp(kept("io", "rgb.jpg"));
  const auto expect_same_pixels = [&](const Bytes& file) {
    const Tensor image = read_jpeg(file, "odd.jpg"), expected = jpeg("rgb");
    ASSERT_EQ(image.shape(), expected.shape());
    EXPECT_TRUE(std::ranges::equal(image.values<std::uint8_t>(), expected.values<std::uint8_t>()));
  };
  const std::string_view text(reinterpret_cast<const char*>(whole.data()), whole.size());
  const auto title = text.find("JFIF");
  ASSERT_NE(title, std::string_view::npos);
  Bytes later = whole;
  later[title + 5] = std::byte{2};  // behind the title and its zero
  expect_same_pixels(later);
  const auto tables = text.find("\xff\xdb");
  ASSERT_NE(tables, std::string_view::npos);
  Bytes longer = whole;
  longer.insert(longer.begin() + static_cast<std::ptrdiff_t>(tables), 3, std::byte{0x11});
  expect_same_pixels(longer);
}

// 8 x 8 pixels in a scan for each of three components, the last of them `more` times more.
Bytes jpeg_of_scans(int more) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = info.image_height = 8;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  const std::array<jpeg_scan_info, 3> scans = {{{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}}};
  info.scan_info = scans.data();
  info.num_scans = 3;
  jpeg_start_compress(&info, TRUE);
  std::array<unsigned char, 24> row{};
  for (int y = 0; y < 8; ++y) {
    row.fill(static_cast<unsigned char>(20 * y));
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string file(reinterpret_cast<const char*>(out), size);
  std::free(out);
  const std::string last = file.substr(file.rfind("\xff\xda"), file.size() - 2 - file.rfind("\xff\xda"));
  file.resize(file.size() - 2);
  for (int i = 0; i < more; ++i) file += last;
  return bytes(file + "\xff\xd9");
}

// Each scan of a few bytes costs a pass over all pixels.
TEST(Jpeg, ScansAreLimited) {
  EXPECT_EQ(read_jpeg(jpeg_of_scans(0), "a.jpg").shape(), (Shape{8, 8, 3}));
  EXPECT_EQ(read_jpeg(jpeg_of_scans(490), "a.jpg").shape(), (Shape{8, 8, 3}));
  expect_error<FormatError>([] { read_jpeg(jpeg_of_scans(510), "a.jpg"); }, {"a.jpg", "more than 500 scans"});
}

TEST(Jpeg, SizesAreCheckedBeforeMemoryIsTaken) {
  Bytes file = slurp(kept("io", "grey.jpg"));
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const auto frame = text.find("\xff\xc0");
  ASSERT_NE(frame, std::string_view::npos);
  for (std::size_t i = 0; i < 4; ++i) file[frame + 5 + i] = static_cast<std::byte>(i % 2 == 0 ? 0xff : 0x00);  // 65280 x 65280
  expect_error<FormatError>([&] { read_jpeg(file, "a.jpg"); }, {"a.jpg", "65280 x 65280", "67108864"});
  expect_error<FormatError>([] { read_jpeg({}, "a.jpg"); }, {"a.jpg", "empty"});
  expect_error<FormatError>([] { read_jpeg(bytes("not a jpeg"), "a.jpg"); }, {"a.jpg", "JPEG"});
}

}  // namespace
}  // namespace linn::detail::io
