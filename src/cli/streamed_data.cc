#include "cli/streamed_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "cli/compile.h"
#include "core/text_cells.h"
#include "io/file.h"
#include "linn/error.h"
#include "linn/shift.h"

namespace linn::cli {
namespace {

constexpr std::int64_t most_sampled = 1000;

// A folder or archive of images; undefined for data of other kinds.
linn::Dataset opened(const TrainingRun& run, const std::string& path, DatasetPart part) {
  const ImageFolderOptions wanted = image_options(run.data, nullptr);
  const ImageDatasetOptions options{.image_size = wanted.image_size,
                                    .color_mode = wanted.color_mode,
                                    .part = part,
                                    .on_error = run.skip_broken ? OnError("skip") : OnError("raise")};
  return path.ends_with(".zip") ? linn::Dataset::from_zip(path, options) : linn::Dataset::from_directory(path, options);
}

bool has_part(const TrainingRun& run, const std::string& path, DatasetPart part, linn::Dataset& to) {
  try {
    to = opened(run, path, part);
    return true;
  } catch (const DataError&) {
    return false;
  }
}

// Samples one behind the other as tensors.
std::pair<Tensor, Tensor> gathered(const linn::Dataset& samples) {
  linn::Dataset::Iterator iterator = samples.batch(std::min(most_sampled, samples.cardinality())).iterate();
  Batch batch;
  if (!iterator.next(batch)) throw DataError("none of the first thousand images can be read");
  return {batch.x.list().front(), batch.y.defined() ? batch.y.list().front() : Tensor()};
}

// Of all images, by the first; 0 where it cannot be read: who reads them all will say why.
double bytes_of(const linn::Dataset& images) {
  try {
    Batch first;
    if (!images.iterate().next(first)) return 0;
    return static_cast<double>(first.x.list().front().bytes()) * static_cast<double>(images.cardinality());
  } catch (const Error&) {
    return 0;
  }
}

bool asked_for(const TrainingRun& run) { return run.stream || run.cache || run.skip_broken; }

}  // namespace

std::optional<StreamedData> StreamedData::open(const Common& common, const TrainingRun& run) {
  const std::string path = data_path(run.data.path);
  const bool is_asked = asked_for(run);
  if (!detail::data::holds_image_files(path)) {
    if (is_asked) throw UsageError(fmt::format("--stream, --cache and --skip-broken are for images in folders or a .zip; {} is none", path));
    return std::nullopt;
  }
  linn::Dataset train;
  if (is_asked)
    train = opened(run, path, "train");
  else if (!has_part(run, path, "train", train))
    return std::nullopt;
  const bool fits = bytes_of(train) < static_cast<double>(detail::io::machine_memory()) / 2;
  if (!is_asked && fits) return std::nullopt;
  StreamedData data;
  data.train_ = train;
  const auto [x, y] = gathered(data.train_);
  if (!y.defined()) throw DataError(fmt::format("{}: the images lie in no class folders, so they have no labels", path));
  data.sample_ = {.x_train = x, .y_train = y, .x_test = {}, .y_test = {}, .train_where = path, .test_where = path, .class_names = data.train_.class_names(), .notes = data.train_.notes()};
  if (has_part(run, path, "test", data.test_)) data.test_ = data.test_.prefetch();
  if (run.limit > 0) data.train_ = data.train_.take(run.limit);
  if (run.cache) data.train_ = data.train_.cache();
  say(common, "{} images of {} classes in {}, read while training{}\n", thousands(data.train_.cardinality() + data.test_images()), data.sample_.class_names.size(), path,
      run.cache ? " and then kept in memory" : fits ? "" : ", as they would take more than half of the memory");
  for (const std::string& note : data.sample_.notes) say(common, "{}\n", note);
  return data;
}

void StreamedData::convert(const Pixels& as_sample, std::int64_t canvas) {
  pixels_ = {.images = {}, .scale = as_sample.scale, .offset = as_sample.offset, .note = as_sample.note};
  canvas_ = canvas;
}

void StreamedData::split(double validation_split) {
  if (validation_split == 0) return;
  const std::int64_t all = train_.cardinality();
  const auto kept = static_cast<std::int64_t>(std::floor(static_cast<double>(all) * (1 - validation_split)));
  if (kept == 0 || kept == all) throw ValueError(fmt::format("--validation-split {} of {} images leaves {} for training and {} for validation", validation_split, all, kept, all - kept));
  validation_ = train_.skip(kept);
  train_ = train_.take(kept);
}

linn::Dataset StreamedData::batches(const linn::Dataset& samples, const Model& model, std::int64_t batch_size) const {
  if (!samples.defined()) return {};
  const bool is_changed = pixels_.scale != 1 || pixels_.offset != 0;
  return samples.batch(batch_size)
      .map([this, is_changed, known = class_names(model), targets = Targets(model)](Batch batch) {
        Tensor x = batch.x.list().front();
        if (canvas_ > 0) x = shift::on_canvas(x, canvas_, canvas_);
        if (is_changed) x = affine(x, pixels_.scale, pixels_.offset);
        batch.x = x;
        Tensor labels = batch.y.list().front();
        if (!known.empty()) labels = detail::data::labels_by_name(labels, sample_.class_names, known, sample_.train_where);
        batch.y = targets.of(labels, sample_.train_where);
        return batch;
      })
      .prefetch();
}

linn::Dataset StreamedData::training_batches(const Model& model, std::uint64_t seed, std::int64_t batch_size) const {
  return batches(train_.shuffle({.seed = seed}), model, batch_size);
}
linn::Dataset StreamedData::validation_batches(const Model& model, std::int64_t batch_size) const { return batches(validation_, model, batch_size); }
linn::Dataset StreamedData::test_batches(const Model& model, std::int64_t batch_size) const { return batches(test_, model, batch_size); }

SkippedImages StreamedData::skipped() const {
  SkippedImages skipped = train_.skipped();
  if (test_.defined()) {
    const SkippedImages more = test_.skipped();
    skipped.count += more.count;
    skipped.messages.insert(skipped.messages.end(), more.messages.begin(), more.messages.end());
  }
  return skipped;
}

std::string skipped_text(const SkippedImages& skipped) {
  if (skipped.count == 0) return {};
  constexpr std::size_t most_shown = 5;
  std::string text = fmt::format("{} {} could not be read and {} left out:\n", thousands(skipped.count), skipped.count == 1 ? "image" : "images", skipped.count == 1 ? "was" : "were");
  for (std::size_t i = 0; i < std::min(most_shown, skipped.messages.size()); ++i) text += fmt::format("  {}\n", detail::core::printable(skipped.messages[i]));
  if (skipped.messages.size() > most_shown) text += "  ...\n";
  return text;
}

}  // namespace linn::cli
