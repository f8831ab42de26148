#include "data/image_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <queue>
#include <span>
#include <string_view>
#include <utility>

#include "core/did_you_mean.h"
#include "io/text.h"
#include "linn/error.h"

namespace linn::detail::data {
namespace {

constexpr std::array<std::string_view, 2> train_names = {"train", "training"};
// In the order in which they are taken where there are several.
constexpr std::array<std::string_view, 5> test_names = {"test", "testing", "val", "valid", "validation"};

constexpr std::string_view expected =
    "expected are train/CLASS/*.png and test/CLASS/*.png (.jpg and .jpeg too), or CLASS/*.png without the first folder";

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), io::lower_case(name)) != names.end();
}
bool is_part(std::string_view name) { return is_one_of(name, train_names) || is_one_of(name, test_names); }

// "a" of "a/b/c"; all of "a".
std::string_view first_part(std::string_view path) { return path.substr(0, path.find('/')); }

std::string plural(std::size_t count, std::string_view what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

// Files by the folder that they lie in, below `base`; what lies in `base` itself is under "".
using Files = std::vector<std::uint32_t>;
using Folders = std::map<std::string, Files, std::less<>>;

class Reader {
 public:
  explicit Reader(const FileTree& tree) : tree_(tree) {}

  ImageLayout read() {
    sort_out();
    find_base();
    const Folders folders = folders_in(images_, base_);
    const std::optional<std::string> train = part_among(folders, train_names);
    const std::optional<std::string> test = part_among(folders, test_names);
    if (!train && !test) {
      read_classes(base_, folders, layout_.train);
      if (!layout_.train.labelled()) std::swap(layout_.train, layout_.test);  // images alone are there to be looked at
      return std::move(layout_);
    }
    layout_.has_parts = true;
    for (const auto& [name, files] : folders)
      if (name != train && name != test) note_unused(name, files);
    if (train) read_classes(base_ + *train + "/", folders_in(folders.at(*train), base_ + *train + "/"), layout_.train);
    if (test) read_classes(base_ + *test + "/", folders_in(folders.at(*test), base_ + *test + "/"), layout_.test);
    return std::move(layout_);
  }

 private:
  std::string_view path(std::size_t file) const { return tree_.files()[file]; }

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) const {
    throw DataError(fmt::format("{}: {}", tree_.root(), fmt::format(text, std::forward<Args>(args)...)));
  }

  void sort_out() {
    Files others;
    if (tree_.files().size() > std::numeric_limits<std::uint32_t>::max()) fail("holds {} files; at most 2^32 are read", tree_.files().size());
    for (std::uint32_t i = 0; i < tree_.files().size(); ++i) (is_image(path(i)) ? images_ : others).push_back(i);
    if (images_.empty() && others.empty()) fail("holds no files; {}", expected);
    if (images_.empty())
      fail("holds no PNG or JPEG images, but {} such as {}; {}", plural(others.size(), "other file"), io::quote(path(others[0])), expected);
    if (!others.empty())
      layout_.notes.push_back(fmt::format("left out: {} that {} neither .png nor .jpg nor .jpeg, such as {}", plural(others.size(), "file"),
                                          others.size() == 1 ? "is" : "are", io::quote(path(others[0]))));
  }

  // Steps into a folder that holds everything, as archives of a folder have it: DATA/train/CLASS/1.png.
  void find_base() {
    while (true) {
      const std::string_view rest = path(images_[0]).substr(base_.size());
      const std::string next(first_part(rest));
      const std::string inside = base_ + next + "/";
      const bool all_deep = std::all_of(images_.begin(), images_.end(), [&](std::uint32_t file) {
        return path(file).starts_with(inside) && path(file).find('/', inside.size()) != std::string_view::npos;
      });
      if (!all_deep || is_part(next)) return;
      base_ = inside;
    }
  }

  Folders folders_in(const Files& files, const std::string& base) const {
    Folders folders;
    for (const std::uint32_t file : files) {
      const std::string_view rest = path(file).substr(base.size());
      const std::string_view name = rest.find('/') == std::string_view::npos ? std::string_view() : first_part(rest);
      const auto found = folders.find(name);
      (found == folders.end() ? folders[std::string(name)] : found->second).push_back(file);
    }
    return folders;
  }

  static std::optional<std::string> part_among(const Folders& folders, std::span<const std::string_view> names) {
    for (const std::string_view wanted : names)
      for (const auto& [name, files] : folders)
        if (io::lower_case(name) == wanted) return name;
    return std::nullopt;
  }

  void note_unused(const std::string& name, const Files& files) {
    layout_.notes.push_back(name.empty() ? fmt::format("left out: {} beside the folders, such as {}", plural(files.size(), "image"),
                                                       io::quote(path(files[0])))
                                         : fmt::format("left out: the folder {} with {}", io::quote(name), plural(files.size(), "image")));
  }

  using Classes = std::vector<std::pair<std::uint32_t, const Files*>>;

  // The images of `base`'s class folders.
  void read_classes(const std::string& base, const Folders& folders, ImagePart& part) {
    part.folder = tree_.root() + (base.empty() || tree_.root().ends_with('/') ? "" : "/") + base;
    if (part.folder.ends_with('/')) part.folder.pop_back();
    if (folders.size() == 1 && folders.begin()->first.empty()) {  // no class folders
      part.files = folders.begin()->second;
      return;
    }
    const bool first = layout_.class_names.empty();
    if (first) name_classes(base, folders);
    Classes classes;
    for (const auto& [name, files] : folders) {
      if (name.empty())
        note_unused(name, files);
      else
        classes.emplace_back(label_of(name, base), &files);
    }
    interleave(classes, part);
  }

  // In the order of their bytes, as Keras and torchvision count them.
  void name_classes(const std::string& base, const Folders& folders) {
    for (const auto& [name, files] : folders)
      if (!name.empty()) layout_.class_names.push_back(name);
    for (const std::string& folder : tree_.folders()) {
      if (!folder.starts_with(base) || folder.find('/', base.size()) != std::string::npos) continue;
      const std::string name = folder.substr(base.size());
      if (folders.find(name) == folders.end())
        fail("the class folder {} holds no PNG or JPEG images; put images into it, or remove it", io::quote(folder));
    }
  }

  std::uint32_t label_of(const std::string& name, const std::string& base) const {
    const std::vector<std::string>& names = layout_.class_names;
    const auto found = std::lower_bound(names.begin(), names.end(), name);
    if (found == names.end() || *found != name)
      fail("{} is no class of the training images{}; their classes are {}", io::quote(base + name),
           core::did_you_mean(name, std::span<const std::string>(names)), listed(names));
    return static_cast<std::uint32_t>(found - names.begin());
  }

  static std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < 12; ++i) text += (i > 0 ? ", " : "") + io::quote(names[i]);
    return names.size() > 12 ? fmt::format("{} and {} more", text, names.size() - 12) : text;
  }

  // Image k of a class of n stands at (k + 1/2) / n of the whole. The first N images, and the last share that is kept for validation, so
  // hold all classes. Classes are merged by their next places, so that a million images need no list of places.
  static void interleave(const Classes& classes, ImagePart& part) {
    struct Next {
      double at;
      std::size_t order;  // of classes whose places are equal the first comes first
      std::size_t k;
      bool operator>(const Next& other) const { return at != other.at ? at > other.at : order > other.order; }
    };
    const auto place = [&](std::size_t order, std::size_t k) { return (static_cast<double>(k) + 0.5) / static_cast<double>(classes[order].second->size()); };
    std::priority_queue<Next, std::vector<Next>, std::greater<>> queue;
    std::size_t count = 0;
    for (std::size_t order = 0; order < classes.size(); ++order) {
      queue.push({place(order, 0), order, 0});
      count += classes[order].second->size();
    }
    part.files.reserve(count);
    part.labels.reserve(count);
    while (!queue.empty()) {
      const Next next = queue.top();
      queue.pop();
      const auto& [label, files] = classes[next.order];
      part.files.push_back((*files)[next.k]);
      part.labels.push_back(label);
      if (next.k + 1 < files->size()) queue.push({place(next.order, next.k + 1), next.order, next.k + 1});
    }
  }

  const FileTree& tree_;
  ImageLayout layout_;
  Files images_;
  std::string base_;  // "" or a path that ends with '/'
};

}  // namespace

bool is_image(std::string_view path) {
  const std::string name = io::lower_case(path);
  return name.ends_with(".png") || name.ends_with(".jpg") || name.ends_with(".jpeg");
}

ImageLayout layout_of(const FileTree& tree) { return Reader(tree).read(); }

}  // namespace linn::detail::data
