// Data sets that stream: how fast images are decoded, what training on a folder costs beside training on tensors, and the memory that a folder
// of many images takes. Writes its files below /tmp and removes them.
//   stream_bench decode              images a second of one thread: JPEG of 32x32x3 and 224x224x3, PNG of 28x28x1
//   stream_bench train MNIST.npz     epochs of the notebook's network: tensors, a folder of PNGs, the same cached. CPU seconds count what all
//                                    threads do, so they can be compared while others use the machine
//   /usr/bin/time -v stream_bench memory [IMAGES]     a pass through a folder of so many images (1000000), with its own peak
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <jpeglib.h>

#include "linn/linn.h"

namespace linn {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

class Folder {
 public:
  Folder() {
    std::string name = "/tmp/linn_stream_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw IoError("no folder in /tmp");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }
  std::string class_folder(std::int64_t label) const {
    const std::string folder = fmt::format("{}/class_{:04}", path_, label);
    std::filesystem::create_directories(folder);
    return folder;
  }

 private:
  std::string path_;
};

// Smooth structure and some noise, as photographs have it: noise alone would be all entropy coding.
Tensor photograph(std::int64_t size, std::uint32_t seed) {
  Tensor image({size, size, 3}, DType::u8);
  const auto values = image.values<std::uint8_t>();
  std::uint32_t state = seed * 2654435761U + 1;
  const auto random = [&] { return (state = state * 1664525 + 1013904223) >> 24; };
  std::uint32_t corner[4][3];
  for (auto& colours : corner)
    for (std::uint32_t& value : colours) value = random();
  for (std::int64_t y = 0, i = 0; y < size; ++y)
    for (std::int64_t x = 0; x < size; ++x)
      for (int c = 0; c < 3; ++c, ++i) {
        const auto between = [&](std::uint32_t a, std::uint32_t b, std::int64_t at) { return static_cast<double>(a) + (static_cast<double>(b) - a) * static_cast<double>(at) / static_cast<double>(size); };
        const double value = (between(corner[0][c], corner[1][c], x) + between(corner[2][c], corner[3][c], y)) / 2 + ((x / 5 + y / 7) % 3 == 0 ? 30 : 0) + random() % 16;
        values[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value > 255 ? 255 : value);
      }
  return image;
}

void save_jpeg(const std::string& path, Tensor image) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw IoError(path + ": cannot be written");
  jpeg_stdio_dest(&info, file);
  info.image_width = static_cast<JDIMENSION>(image.shape()[1]);
  info.image_height = static_cast<JDIMENSION>(image.shape()[0]);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 90, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = image.values<std::uint8_t>().data() + static_cast<std::size_t>(info.next_scanline) * info.image_width * 3;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::fclose(file);
}

// CPU seconds of this process: what others do on the machine does not count.
double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + 1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void decode(const char* what, const Dataset& data) {
  const Dataset batches = data.batch(32);
  for (const Batch& batch : batches) static_cast<void>(batch);  // the files are in the system's memory then
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const double start = cpu_seconds();
    for (const Batch& batch : batches) static_cast<void>(batch);
    best = std::min(best, cpu_seconds() - start);
  }
  fmt::print("{}: {:.0f} images a second and core\n", what, static_cast<double>(data.cardinality()) / best);
}

void decode_all() {
  for (const std::int64_t size : {32, 224}) {
    const Folder folder;
    const std::int64_t count = size == 32 ? 4000 : 300;
    for (std::int64_t i = 0; i < count; ++i) save_jpeg(fmt::format("{}/{}.jpg", folder.class_folder(i % 10), i), photograph(size, static_cast<std::uint32_t>(i)));
    decode(fmt::format("JPEG {0}x{0}x3", size).c_str(), Dataset::from_directory(folder.path()));
    if (size == 224) decode("JPEG 224x224x3 to 160x160", Dataset::from_directory(folder.path(), {.image_size = 160}));
  }
  const Folder folder;
  for (std::int64_t i = 0; i < 4000; ++i) save_png(fmt::format("{}/{}.png", folder.class_folder(i % 10), i), photograph(28, static_cast<std::uint32_t>(i)));
  decode("PNG 28x28x3", Dataset::from_directory(folder.path()));
  decode("PNG 28x28x3 to grey", Dataset::from_directory(folder.path(), {.color_mode = "grayscale"}));
}

Sequential notebook() {
  Sequential model;
  model.add(Rescaling(1.0 / 255, {.input_shape = {28, 28, 1}}));
  for (int i = 0; i < 2; ++i) {
    model.add(Conv2D(32, {3, 3}, {.activation = "relu"}));
    model.add(MaxPooling2D({2, 2}, {.strides = 2}));
  }
  model.add(Flatten());
  model.add(Dense(128, {.activation = "relu"}));
  model.add(Dense(10, {.activation = "softmax"}));
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

void train(const std::string& mnist) {
  constexpr std::int64_t images = 10000, batch = 128;
  const Archive data = load_npz(mnist);
  const Tensor x = data["x_train"].rows(0, images).reshape({images, 28, 28, 1}), y = data["y_train"].rows(0, images);
  const Folder folder;
  const Tensor labels = y.astype(DType::i64);
  for (std::int64_t i = 0; i < images; ++i)
    save_png(fmt::format("{}/{}.png", folder.class_folder(labels.values<std::int64_t>()[static_cast<std::size_t>(i)]), i), x.rows(i, i + 1).reshape({28, 28, 1}));
  Sequential models[] = {notebook(), notebook(), notebook()};
  const Dataset streamed = Dataset::from_directory(folder.path()), cached = streamed.cache();
  const auto ready = [&](const Dataset& source) { return source.shuffle({.seed = 0}).batch(batch).prefetch(); };
  double best[3] = {1e9, 1e9, 1e9}, best_cpu[3] = {1e9, 1e9, 1e9};
  for (int round = 0; round < 5; ++round)  // the first is to warm up, and to fill the cache
    for (int way = 0; way < 3; ++way) {
      const double start = now(), start_cpu = cpu_seconds();
      if (way == 0)
        models[0].fit(x, y, {.batch_size = batch, .verbose = 0});
      else
        models[way].fit(ready(way == 1 ? streamed : cached), {.verbose = 0});
      if (round == 0) continue;
      best[way] = std::min(best[way], now() - start);
      best_cpu[way] = std::min(best_cpu[way], cpu_seconds() - start_cpu);
    }
  const char* names[] = {"tensors", "a folder of PNGs", "the folder, cached"};
  for (int way = 0; way < 3; ++way)
    fmt::print("{}: {:.0f} images a second, {:.0f} % of tensors; {:.0f} a CPU second, {:.0f} %\n", names[way], static_cast<double>(images) / best[way],
               100 * best[0] / best[way], static_cast<double>(images) / best_cpu[way], 100 * best_cpu[0] / best_cpu[way]);
}

void memory(std::int64_t images) {
  const Folder folder;
  const std::int64_t classes = std::min<std::int64_t>(1000, images);
  for (std::int64_t label = 0; label < classes; ++label) {
    const std::string path = folder.class_folder(label);
    save_png(path + "/image_00000000.png", photograph(8, static_cast<std::uint32_t>(label)));
    // Names are what counts, so all of a class are one file.
    for (std::int64_t i = label + classes; i < images; i += classes)
      std::filesystem::create_hard_link(path + "/image_00000000.png", fmt::format("{}/image_{:08}.png", path, i));
  }
  const double start = now();
  const Dataset data = Dataset::from_directory(folder.path()).shuffle({.seed = 1}).batch(32).prefetch();
  const double listed = now();
  std::int64_t seen = 0;
  for (const Batch& batch : data) seen += batch.x.list()[0].shape()[0];
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::print("{} images listed in {:.1f} s, decoded in {:.1f} s, at most {:.0f} MB of memory\n", seen, listed - start, now() - listed, static_cast<double>(usage.ru_maxrss) / 1024);
}

}  // namespace
}  // namespace linn

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "decode") return linn::decode_all(), 0;
  if (what == "train" && argc == 3) return linn::train(argv[2]), 0;
  if (what == "memory") return linn::memory(argc > 2 ? std::atoll(argv[2]) : 1000000), 0;
  fmt::print(stderr, "usage: stream_bench decode | train MNIST.npz | memory [IMAGES]\n");
  return 2;
}
