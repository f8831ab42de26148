// Images in class folders, opened and decoded when their turn comes.
#include <fmt/format.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "data/channels.h"
#include "data/file_tree.h"
#include "data/image_layout.h"
#include "data/resize.h"
#include "data/stream/node.h"
#include "data/stream/skipped_log.h"
#include "io/file.h"
#include "io/image.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

class ImagesNode final : public IndexedNode {
 public:
  ImagesNode(std::unique_ptr<const FileTree> tree, ImagePart part, std::size_t classes, const ImageDatasetOptions& options)
      : tree_(std::move(tree)), part_(std::move(part)), options_(options), skipped_(std::make_shared<SkippedLog>(part_.files.size())) {
    if (part_.labelled()) {
      labels_ = Tensor({static_cast<std::int64_t>(classes)}, DType::i64);
      std::int64_t next = 0;
      for (std::int64_t& label : labels_.values<std::int64_t>()) label = next++;
    }
    choose_size_and_channels();
  }

  std::int64_t count() const override { return static_cast<std::int64_t>(part_.files.size()); }
  std::unique_ptr<const Pass> pass(std::uint64_t /*epoch*/) const override { return std::make_unique<ImagesPass>(*this); }
  std::shared_ptr<const SkippedLog> skipped() const { return skipped_; }

 private:
  class ImagesPass final : public Pass {
   public:
    explicit ImagesPass(const ImagesNode& node) : node_(node) {}
    bool at(std::int64_t i, Element& to) const override { return node_.at(static_cast<std::size_t>(i), to); }

   private:
    const ImagesNode& node_;
  };

  std::string where(std::size_t i) const { return tree_->where(part_.files[i]); }
  io::ImageLimits limits() const { return {.pixels = static_cast<std::uint64_t>(options_.max_pixels)}; }

  // Whether `read` came to its end. An image that cannot be read is an error, or is noted.
  template <class Read>
  bool readable(std::size_t i, const Read& read) const {
    const auto left_out = [&](const Error& error) { skipped_->add(i, error.what()); };
    try {
      read();
      return true;
    } catch (const FormatError& error) {
      if (options_.on_error.kind() == OnError::raise) throw;
      left_out(error);
    } catch (const IoError& error) {
      if (options_.on_error.kind() == OnError::raise) throw;
      left_out(error);
    }
    return false;
  }

  void choose_size_and_channels() {
    io::ImageHeader header;
    while (first_ < part_.files.size() &&
           !readable(first_, [&] { header = io::read_image_header(tree_->read(part_.files[first_]), where(first_), limits()); }))
      ++first_;
    if (first_ == part_.files.size())
      throw DataError(fmt::format("{}: none of {} images can be read. The first: {}", part_.folder, first_, skipped_->get().messages.at(0)));
    size_ = options_.image_size.is_set() ? options_.image_size : Size2(header.height, header.width);
    switch (options_.color_mode.kind()) {
      case ColorMode::automatic: channels_ = header.channels; break;
      case ColorMode::grayscale: channels_ = 1; break;
      case ColorMode::rgb: channels_ = 3; break;
    }
  }

  bool at(std::size_t i, Element& to) const {
    Tensor image;
    if (!readable(i, [&] { image = io::read_image(tree_->read(part_.files[i]), where(i), limits()); })) return false;
    to = {};
    to.x = fitted(image, i);
    if (part_.labelled()) to.y = labels_.rows(part_.labels[i], part_.labels[i] + 1).reshape({});
    return true;
  }

  // The image in the size and with the channels that all have.
  Tensor fitted(const Tensor& image, std::size_t i) const {
    const Shape& shape = image.shape();
    if (options_.color_mode.kind() == ColorMode::automatic && channels_ == 1 && shape[2] == 3)
      throw DataError(fmt::format("{}: has colours, but the first image, {}, is grey, and color_mode \"auto\" takes the channels of the first; give \"rgb\" or "
                                  "\"grayscale\"",
                                  where(i), where(first_)));
    const bool fits = shape[0] == size_.height && shape[1] == size_.width;
    if (!fits && !options_.image_size.is_set())
      throw DataError(fmt::format("{}: has {} x {} pixels, but the first image, {}, has {} x {}; give image_size (`--resize`), to which all are resized", where(i), shape[0],
                                  shape[1], where(first_), size_.height, size_.width));
    const Tensor coloured = with_channels(image, channels_);
    return fits ? coloured : resized(coloured, size_);
  }

  std::unique_ptr<const FileTree> tree_;
  ImagePart part_;
  ImageDatasetOptions options_;
  std::shared_ptr<SkippedLog> skipped_;
  std::size_t first_ = 0;  // the first image whose header can be read
  Size2 size_;
  std::int64_t channels_ = 3;
  Tensor labels_;  // 0, 1, ...: each image's label is a view of one
};

void check_options(const ImageDatasetOptions& options) {
  const Size2& size = options.image_size;
  if (size.is_set() && (size.height < 1 || size.width < 1))
    throw ValueError(fmt::format("image_size is {} x {}; sizes of 1 or more are allowed", size.height, size.width));
  if (options.max_pixels < 1) throw ValueError(fmt::format("max_pixels is {}; numbers of 1 or more are allowed", options.max_pixels));
}

ImagePart wanted_part(ImageLayout& layout, DatasetPart part, const std::string& root) {
  const bool is_train = part.kind() == DatasetPart::train;
  if (!layout.has_parts && is_train) return std::move(layout.train.empty() ? layout.test : layout.train);
  ImagePart& wanted = is_train ? layout.train : layout.test;
  if (!layout.has_parts || wanted.empty())
    throw DataError(fmt::format("{}: has no folder \"{}\"; {}", root, part.name(),
                                !layout.has_parts ? "all images are for training" : fmt::format("there is {}", is_train ? layout.test.folder : layout.train.folder)));
  return std::move(wanted);
}

Chain images_in(std::unique_ptr<const FileTree> tree, const ImageDatasetOptions& options) {
  ImageLayout layout = layout_of(*tree);
  ImagePart part = wanted_part(layout, options.part, tree->root());
  const auto node = std::make_shared<ImagesNode>(std::move(tree), std::move(part), layout.class_names.size(), options);
  const ImageNotes notes{.class_names = std::move(layout.class_names), .notes = std::move(layout.notes), .skipped = node->skipped()};
  return {.indexed = node, .notes = std::make_shared<const ImageNotes>(notes), .is_unbatched = true};
}

}  // namespace

Chain images_from_directory(const std::string& path, const ImageDatasetOptions& options) {
  check_options(options);
  return images_in(open_directory(path), options);
}

Chain images_from_zip(const std::string& path, const ImageDatasetOptions& options) {
  check_options(options);
  return images_in(open_zip(io::read_file(path), path), options);
}

}  // namespace linn::detail::data
