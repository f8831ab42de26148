#include "data/image_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "core/worker_pool.h"
#include "data/channels.h"
#include "data/file_tree.h"
#include "data/image_layout.h"
#include "data/resize.h"
#include "io/file.h"
#include "io/image.h"
#include "io/text.h"
#include "linn/data.h"
#include "linn/error.h"

namespace linn {
namespace detail::data {
namespace {

// Where an image goes: a row of the training or the test images.
struct Target {
  std::size_t file;
  bool test;
  std::int64_t row;
};

std::vector<Target> targets_of(const ImageLayout& layout) {
  std::vector<Target> targets;
  for (const bool test : {false, true}) {
    const ImagePart& part = test ? layout.test : layout.train;
    for (std::size_t i = 0; i < part.files.size(); ++i) targets.push_back({part.files[i], test, static_cast<std::int64_t>(i)});
  }
  std::sort(targets.begin(), targets.end(), [](const Target& a, const Target& b) { return a.file < b.file; });
  return targets;
}

class Loader {
 public:
  Loader(const FileTree& tree, const ImageFolderOptions& options)
      : tree_(tree), options_(options), layout_(layout_of(tree)), targets_(targets_of(layout_)), headers_(targets_.size()) {}

  ImageFolder load() {
    each_image(0, [&](std::size_t i) { headers_[i] = io::read_image_header(tree_.read(targets_[i].file), where(i)); });
    choose_size();
    choose_channels();
    ImageFolder result;
    allocate(layout_.train, result.x_train, result.y_train);
    allocate(layout_.test, result.x_test, result.y_test);
    each_image(1, [&](std::size_t i) { decode(i, targets_[i].test ? result.x_test : result.x_train); });
    result.class_names = std::move(layout_.class_names);
    result.train_where = layout_.train.folder;
    result.test_where = layout_.test.folder;
    result.notes = std::move(layout_.notes);
    return result;
  }

 private:
  std::string where(std::size_t i) const { return tree_.where(targets_[i].file); }
  std::string size_text(std::size_t i) const { return fmt::format("{} x {}", headers_[i].height, headers_[i].width); }

  // Runs `work` for each image on the worker pool, as pass 0 or 1 of two. Images that cannot be read are named together, the first with
  // its reason, so that they can be mended in one go.
  template <class Work>
  void each_image(std::int64_t pass, const Work& work) {
    constexpr std::int64_t stretch = 256;  // images between two reports
    const auto count = static_cast<std::int64_t>(targets_.size());
    std::vector<std::exception_ptr> failures(targets_.size());
    for (std::int64_t begin = 0; begin < count; begin += stretch) {
      core::worker_pool().run(std::min(stretch, count - begin), [&](std::int64_t item, int /*worker*/) {
        const auto i = static_cast<std::size_t>(begin + item);
        try {
          work(i);
        } catch (const FormatError&) {
          failures[i] = std::current_exception();
        } catch (const IoError&) {
          failures[i] = std::current_exception();
        }
      });
      if (options_.progress) options_.progress((pass * count + std::min(begin + stretch, count)) / 2, count);
    }
    report(failures);
  }

  void report(const std::vector<std::exception_ptr>& failures) const {
    std::exception_ptr first;
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < failures.size(); ++i) {
      if (!failures[i]) continue;
      if (first)
        others.push_back(i);
      else
        first = failures[i];
    }
    if (!first) return;
    std::string more;
    if (!others.empty()) {
      more = fmt::format("\n{} more cannot be read:", others.size());
      for (std::size_t k = 0; k < others.size() && k < 10; ++k) more += "\n  " + where(others[k]);
      if (others.size() > 10) more += "\n  ...";
    }
    try {
      std::rethrow_exception(first);
    } catch (const FormatError& error) {
      throw FormatError(error.what() + more);
    } catch (const IoError& error) {
      throw IoError(error.what() + more);
    }
  }

  void choose_size() {
    if (options_.image_size.is_set()) {
      size_ = options_.image_size;
      return;
    }
    size_ = {headers_[0].height, headers_[0].width};
    const auto differs = [&](const io::ImageHeader& header) { return header.height != size_.height || header.width != size_.width; };
    const auto other = std::find_if(headers_.begin(), headers_.end(), differs);
    if (other == headers_.end()) return;
    const auto i = static_cast<std::size_t>(other - headers_.begin());
    throw DataError(fmt::format("{} has {} pixels (height x width), {} has {}; {} of {} images differ from the first; images of one size are "
                                "needed: give the size that all are resized to (--resize {}x{}, or image_size of load_image_folder)",
                                where(0), size_text(0), where(i), size_text(i), std::count_if(headers_.begin(), headers_.end(), differs),
                                headers_.size(), size_.height, size_.width));
  }

  void choose_channels() {
    const auto colour = static_cast<std::size_t>(
        std::count_if(headers_.begin(), headers_.end(), [](const io::ImageHeader& header) { return header.channels == 3; }));
    const std::size_t grey = headers_.size() - colour;
    const ColorMode::Kind mode = options_.color_mode.kind();
    channels_ = mode == ColorMode::grayscale || (mode == ColorMode::automatic && colour == 0) ? 1 : 3;
    if (channels_ == 3 && grey > 0)
      layout_.notes.push_back(fmt::format("{} of {} images are grey: their values are repeated in three channels{}", grey, headers_.size(),
                                          mode == ColorMode::automatic ? " (--color-mode grayscale makes all grey)" : ""));
    if (channels_ == 1 && colour > 0)
      layout_.notes.push_back(fmt::format("{} of {} images have colours: they become grey", colour, headers_.size()));
  }

  void allocate(const ImagePart& part, Tensor& x, Tensor& y) const {
    if (part.empty()) return;
    const auto count = static_cast<std::int64_t>(part.files.size());
    auto bytes = core::checked_mul(size_.height, size_.width);
    for (const std::int64_t factor : {channels_, static_cast<std::int64_t>(headers_.size())})
      if (bytes) bytes = core::checked_mul(*bytes, factor);
    if (!bytes || static_cast<std::uint64_t>(*bytes) > io::machine_memory())
      throw MemoryError(fmt::format("{}: {} images of {} x {} x {} need {} in memory, this machine has {:.1f} GiB; a smaller size "
                                    "(--resize HxW) or fewer images need less",
                                    tree_.root(), headers_.size(), size_.height, size_.width, channels_,
                                    bytes ? fmt::format("{:.1f} GiB", static_cast<double>(*bytes) / (1 << 30)) : "2^63 bytes or more",
                                    static_cast<double>(io::machine_memory()) / (1 << 30)));
    x = Tensor({count, size_.height, size_.width, channels_}, DType::u8);
    if (!part.labelled()) return;
    y = Tensor(Shape{count}, DType::i64);
    std::copy(part.labels.begin(), part.labels.end(), y.values<std::int64_t>().begin());
  }

  void decode(std::size_t i, Tensor& images) const {
    const Tensor image = io::read_image(tree_.read(targets_[i].file), where(i));
    if (image.shape() != Shape{headers_[i].height, headers_[i].width, headers_[i].channels})
      throw IoError(fmt::format("{}: changed while it was read", where(i)));
    Tensor row = images.rows(targets_[i].row, targets_[i].row + 1);
    const std::span<std::uint8_t> to = row.values<std::uint8_t>();
    const std::span<const std::uint8_t> pixels = std::as_const(image).values<std::uint8_t>();
    if (headers_[i].height == size_.height && headers_[i].width == size_.width) {
      convert_channels(pixels, headers_[i].channels, to, channels_);
      return;
    }
    resize_image(with_channels(image, channels_), size_, to);
  }

  const FileTree& tree_;
  const ImageFolderOptions& options_;
  ImageLayout layout_;
  std::vector<Target> targets_;
  std::vector<io::ImageHeader> headers_;
  Size2 size_;
  std::int64_t channels_ = 3;
};

}  // namespace

ImageFolder load_images(const FileTree& tree, const ImageFolderOptions& options) {
  const Size2& size = options.image_size;
  if (size.is_set() && (size.height < 1 || size.width < 1))
    throw ValueError(fmt::format("image_size is {} x {}; sizes of 1 or more are allowed", size.height, size.width));
  return Loader(tree, options).load();
}

}  // namespace detail::data

ImageFolder load_image_folder(const std::string& path, const ImageFolderOptions& options) {
  struct stat status {};
  const bool directory = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  const std::unique_ptr<detail::data::FileTree> tree =
      directory ? detail::data::open_directory(path) : detail::data::open_zip(detail::io::read_file(path), path);
  return detail::data::load_images(*tree, options);
}

}  // namespace linn
