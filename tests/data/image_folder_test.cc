// Images in class folders: layouts, what is left out, sizes, channels, damaged files.
#include <gmock/gmock.h>

#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "core/worker_pool.h"
#include "data/dataset.h"
#include "data/image_files.h"
#include "io/test_files.h"
#include "linn/data.h"
#include "linn/error.h"

namespace linn {
namespace {

using test::bytes;
using test::expect_error;
using test::kept;
using test::numbers;
using test::slurp;
using test::spill;
using test::ImageFiles;
using test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;

// An image of one value.
Tensor flat(std::uint8_t value, std::int64_t height = 4, std::int64_t width = 5, std::int64_t channels = 1) {
  Tensor image({height, width, channels}, DType::u8);
  for (std::uint8_t& v : image.values<std::uint8_t>()) v = value;
  return image;
}

// The value of each image.
std::vector<int> values(const Tensor& x) {
  std::vector<int> result;
  const auto size = static_cast<std::size_t>(x.elements() / x.shape()[0]);
  for (std::size_t i = 0; i < static_cast<std::size_t>(x.shape()[0]); ++i) result.push_back(x.values<std::uint8_t>()[i * size]);
  return result;
}

void put_animals(const ImageFiles& folder) {
  for (int i = 0; i < 4; ++i) folder.put("train/dog/" + std::to_string(i) + ".png", flat(static_cast<std::uint8_t>(i)));
  for (int i = 0; i < 2; ++i) folder.put("train/Cat/" + std::to_string(i) + ".PNG", flat(static_cast<std::uint8_t>(100 + i)));
  folder.put("test/dog/a.png", flat(50));
}

TEST(ImageFolder, TrainAndTest) {
  const ImageFiles folder;
  put_animals(folder);
  for (const std::string& path : {folder.path(), folder.path() + "/", folder.zipped(), folder.zipped("animals/v2/")}) {
    const ImageFolder images = load_image_folder(path);
    EXPECT_THAT(images.class_names, ElementsAre("Cat", "dog")) << path;  // capital letters come first, as in Python's sorted()
    EXPECT_EQ(images.x_train.shape(), (Shape{6, 4, 5, 1}));
    EXPECT_EQ(images.x_train.dtype(), DType::u8);
    // In proportion: image k of n at (k + 1/2) / n.
    EXPECT_THAT(values(images.x_train), ElementsAre(0, 100, 1, 2, 101, 3));
    EXPECT_EQ(numbers(images.y_train), (std::vector<double>{1, 0, 1, 1, 0, 1}));
    EXPECT_THAT(values(images.x_test), ElementsAre(50));
    EXPECT_EQ(numbers(images.y_test), (std::vector<double>{1}));
    EXPECT_TRUE(images.notes.empty());
  }
  EXPECT_EQ(load_image_folder(folder.path()).train_where, folder.path() + "/train");
}

TEST(ImageFolder, EveryShareHoldsEveryClass) {
  const ImageFiles folder;
  for (int i = 0; i < 40; ++i) folder.put("a/" + std::to_string(100 + i) + ".png", flat(1));
  for (int i = 0; i < 10; ++i) folder.put("b/" + std::to_string(100 + i) + ".png", flat(2));
  const std::vector<double> labels = numbers(load_image_folder(folder.path()).y_train);
  for (std::size_t begin = 0; begin < 50; begin += 10) {
    const double of_b = std::accumulate(labels.begin() + static_cast<std::ptrdiff_t>(begin), labels.begin() + static_cast<std::ptrdiff_t>(begin + 10), 0.0);
    EXPECT_EQ(of_b, 2);
  }
}

TEST(ImageFolder, ClassFoldersAloneAreForTraining) {
  const ImageFiles folder;
  folder.put("b/1.png", flat(1));
  folder.put("b/deeper/2.png", flat(2));  // Keras and torchvision look there too
  folder.put("a/3.png", flat(3));
  const ImageFolder images = load_image_folder(folder.path());
  EXPECT_THAT(images.class_names, ElementsAre("a", "b"));
  EXPECT_THAT(values(images.x_train), ElementsAre(1, 3, 2));
  EXPECT_FALSE(images.x_test.defined());
}

TEST(ImageFolder, ValidationStandsForTest) {
  const ImageFiles folder;
  folder.put("Train/a/1.png", flat(1));
  folder.put("val/a/2.png", flat(2));
  EXPECT_THAT(values(load_image_folder(folder.path()).x_test), ElementsAre(2));
  folder.put("test/a/3.png", flat(3));
  const ImageFolder images = load_image_folder(folder.path());
  EXPECT_THAT(values(images.x_test), ElementsAre(3));
  EXPECT_THAT(images.notes, ElementsAre("left out: the folder \"val\" with 1 image"));
}

TEST(ImageFolder, ImagesWithoutClasses) {
  const ImageFiles folder;
  folder.put("1.png", flat(1));
  folder.put("2.png", flat(2));
  const ImageFolder images = load_image_folder(folder.path());
  EXPECT_THAT(values(images.x_test), ElementsAre(1, 2));
  EXPECT_FALSE(images.y_test.defined() || images.x_train.defined());
  EXPECT_NO_THROW(detail::data::load_dataset(folder.path(), detail::data::Labels::optional));
  expect_error<DataError>([&] { detail::data::load_dataset(folder.path()); }, {folder.path(), "no class folders", "train/CLASS/*.png"});
}

TEST(ImageFolder, WhatSystemsLeaveBehindIsNothing) {
  const ImageFiles folder;
  put_animals(folder);
  folder.put(".DS_Store", bytes("x"));
  folder.put("train/.DS_Store", bytes("x"));
  folder.put("train/dog/._1.png", bytes("x"));
  folder.put("train/dog/Thumbs.db", bytes("x"));
  folder.put("train/desktop.ini", bytes("x"));
  folder.put(".git/train/zebra/1.png", bytes("x"));
  folder.put("__MACOSX/train/dog/1.png", bytes("x"));
  for (const std::string& path : {folder.path(), folder.zipped()}) {
    const ImageFolder images = load_image_folder(path);
    EXPECT_THAT(images.class_names, ElementsAre("Cat", "dog"));
    EXPECT_EQ(images.x_train.shape()[0], 6);
    EXPECT_TRUE(images.notes.empty());
  }
}

TEST(ImageFolder, OtherFilesAreLeftOutAndNamed) {
  const ImageFiles folder;
  put_animals(folder);
  folder.put("README.txt", bytes("x"));
  folder.put("train/dog/4.webp", bytes("x"));
  folder.put("train/beside.png", flat(9));
  EXPECT_THAT(load_image_folder(folder.path()).notes, ElementsAre("left out: 2 files that are neither .png nor .jpg nor .jpeg, such as \"README.txt\"",
                                                                  "left out: 1 image beside the folders, such as \"train/beside.png\""));
}

TEST(ImageFolder, SizesThatDiffer) {
  const ImageFiles folder;
  put_animals(folder);
  folder.put("train/dog/2.png", flat(2, 6, 5));
  folder.put("test/dog/b.png", flat(2, 4, 7));
  // The first two by name, all counted.
  expect_error<DataError>([&] { load_image_folder(folder.path()); },
                          {folder.path() + "/test/dog/a.png has 4 x 5", folder.path() + "/test/dog/b.png has 4 x 7", "2 of 8 images differ", "--resize 4x5"});
  const ImageFolder images = load_image_folder(folder.path(), {.image_size = {3, 2}});
  EXPECT_EQ(images.x_train.shape(), (Shape{6, 3, 2, 1}));
  EXPECT_THAT(values(images.x_train), ElementsAre(0, 100, 1, 2, 101, 3));
  EXPECT_EQ(images.x_test.shape(), (Shape{2, 3, 2, 1}));
  expect_error<ValueError>([&] { load_image_folder(folder.path(), {.image_size = {0, 2}}); }, {"image_size is 0 x 2"});
}

TEST(ImageFolder, GreyAmongColour) {
  const ImageFiles folder;
  put_animals(folder);
  folder.put("train/dog/2.png", flat(2, 4, 5, 3));
  const ImageFolder colour = load_image_folder(folder.path());
  EXPECT_EQ(colour.x_train.shape(), (Shape{6, 4, 5, 3}));
  EXPECT_THAT(values(colour.x_train), ElementsAre(0, 100, 1, 2, 101, 3));
  EXPECT_THAT(colour.notes, ElementsAre(HasSubstr("6 of 7 images are grey: their values are repeated in three channels")));
  const ImageFolder grey = load_image_folder(folder.path(), {.color_mode = "grayscale"});
  EXPECT_EQ(grey.x_train.shape(), (Shape{6, 4, 5, 1}));
  EXPECT_THAT(grey.notes, ElementsAre("1 of 7 images have colours: they become grey"));
  expect_error<ValueError>([] { ColorMode(std::string("gray")); }, {"color_mode is \"gray\"", "\"auto\", \"grayscale\" or \"rgb\""});
  EXPECT_EQ(ColorMode(std::string("rgb")).name(), "rgb");
}

TEST(ImageFolder, DamagedImagesAreNamedTogether) {
  const ImageFiles folder;
  put_animals(folder);
  test::Bytes cut = slurp(kept("io", "rgb.jpg"));
  cut.resize(cut.size() / 2);
  folder.put("train/dog/1.png", bytes("no image"));
  folder.put("train/dog/3.png", test::Bytes());
  expect_error<FormatError>([&] { load_image_folder(folder.path()); },
                            {"train/dog/1.png: is no PNG and no JPEG image: it begins with \"no image\"", "1 more cannot be read", "train/dog/3.png"});
  const ImageFiles jpegs;
  jpegs.put("train/a/1.jpg", slurp(kept("io", "rgb.jpg")));
  jpegs.put("train/a/2.jpg", cut);
  for (const std::string& path : {jpegs.path(), jpegs.zipped()})
    expect_error<FormatError>([&] { load_image_folder(path); }, {"train/a/2.jpg", "damaged or truncated JPEG image"});
}

TEST(ImageFolder, FoldersThatMakeNoSense) {
  const ImageFiles folder;
  expect_error<DataError>([&] { load_image_folder(folder.path()); }, {folder.path(), "holds no files", "train/CLASS/*.png"});
  folder.put("train/a/1.txt", bytes("x"));
  expect_error<DataError>([&] { load_image_folder(folder.path()); }, {"no PNG or JPEG images, but 1 other file such as \"train/a/1.txt\""});
  folder.put("train/dog/1.png", flat(1));
  expect_error<DataError>([&] { load_image_folder(folder.path()); }, {"the class folder \"train/a\" holds no PNG or JPEG images"});
  folder.put("train/a/1.png", flat(1));
  folder.put("test/dgo/1.png", flat(1));
  expect_error<DataError>([&] { load_image_folder(folder.path()); },
                          {"\"test/dgo\" is no class of the training images (did you mean \"dog\"?); their classes are \"a\", \"dog\""});
  expect_error<IoError>([&] { load_image_folder(folder.path() + "/none"); }, {"none", "No such file"});
}

TEST(ImageFolder, MemoryIsDeclaredFirst) {
  const ImageFiles folder;
  put_animals(folder);
  expect_error<MemoryError>([&] { load_image_folder(folder.path(), {.image_size = {1 << 30, 1 << 30}}); }, {"7 images of 1073741824 x 1073741824 x 1", "GiB", "--resize"});
  expect_error<MemoryError>([&] { load_image_folder(folder.path(), {.image_size = {std::int64_t{1} << 40, std::int64_t{1} << 40}}); }, {"2^63 bytes"});
}

TEST(ImageFolder, SameBytesOnAnyNumberOfThreads) {
  const ImageFiles folder;
  for (int i = 0; i < 30; ++i)
    folder.put("train/" + std::to_string(i % 3) + "/" + std::to_string(i) + ".jpg", slurp(kept("io", i % 2 == 0 ? "rgb.jpg" : "progressive.jpg")));
  const int before = detail::core::worker_pool().threads();
  std::vector<std::vector<double>> all;
  for (const int threads : {1, 2, 3}) {
    detail::core::set_threads(threads);
    std::int64_t last = 0;
    const ImageFolder images = load_image_folder(folder.path(), {.image_size = {9, 11}, .progress = [&](std::int64_t done, std::int64_t count) {
                                                   EXPECT_EQ(count, 30);
                                                   EXPECT_GE(done, last);
                                                   last = done;
                                                 }});
    EXPECT_EQ(last, 30);
    all.push_back(numbers(images.x_train));
  }
  detail::core::set_threads(before);
  EXPECT_EQ(all[0], all[1]);
  EXPECT_EQ(all[0], all[2]);
}

TEST(ImageFolder, LinksLeadInAndNotRound) {
  const ImageFiles folder;
  folder.put("pictures/1.png", flat(1));
  folder.folder("data/train/a");
  std::filesystem::create_directory_symlink(folder.path() + "/pictures", folder.path() + "/data/train/b");
  std::filesystem::create_symlink(folder.path() + "/pictures/1.png", folder.path() + "/data/train/a/link.png");
  std::filesystem::create_directory_symlink(folder.path() + "/data", folder.path() + "/data/train/a/round");
  const ImageFolder images = load_image_folder(folder.path() + "/data");
  EXPECT_THAT(images.class_names, ElementsAre("a", "b"));
  EXPECT_THAT(values(images.x_train), ElementsAre(1, 1));
}

}  // namespace
}  // namespace linn
