// The public class: checks of arguments, and what goes through a chain.
#include "linn/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/thread_count.h"
#include "data/stream/ahead.h"
#include "data/stream/node.h"
#include "data/stream/skipped_log.h"
#include "linn/error.h"

namespace linn {
namespace detail::data {

struct DatasetOf {
  static linn::Dataset chain(Chain chain) { return linn::Dataset(std::make_shared<const Chain>(std::move(chain))); }
};

namespace {

// The chain with one more node; `make` takes either kind of node.
template <class Make>
linn::Dataset with_node(const Chain& chain, const Make& make) {
  Chain longer = chain;
  if (chain.indexed)
    longer.indexed = make(chain.indexed);
  else
    longer.stream = make(chain.stream);
  return DatasetOf::chain(std::move(longer));
}

void check_count(const char* transform, std::int64_t count) {
  if (count < -1) throw ValueError(fmt::format("{}: count is {}; 0 or more is allowed, and -1", transform, count));
}

void check_finite(const char* transform, const Chain& chain) {
  if (chain.indexed && chain.indexed->count() == endless)
    throw ValueError(fmt::format("{}: the data have no end, because they repeat; call {} before repeat, or take a number of elements first", transform, transform));
}

constexpr int most_default_threads = 16;

}  // namespace
}  // namespace detail::data

using detail::data::Chain;
using detail::data::DatasetOf;

// ---- sources -------------------------------------------------------------------------------------------------------------

Dataset Dataset::from_tensors(const Tensors& x, const Tensors& y, const Tensors& sample_weight) {
  return DatasetOf::chain({.indexed = detail::data::tensors_node(x, y, sample_weight), .is_unbatched = true});
}

Dataset Dataset::from_directory(const std::string& path, const ImageDatasetOptions& options) {
  return DatasetOf::chain(detail::data::images_from_directory(path, options));
}

Dataset Dataset::from_zip(const std::string& path, const ImageDatasetOptions& options) { return DatasetOf::chain(detail::data::images_from_zip(path, options)); }

Dataset Dataset::from_generator(Generator next, std::int64_t cardinality) {
  if (!next) throw ValueError("from_generator: no function was given");
  // One function for all passes: a copy would begin where the original stands.
  const auto shared = std::make_shared<Generator>(std::move(next));
  return from_generator([shared](std::int64_t /*epoch*/) -> Generator { return [shared](Element& element) { return (*shared)(element); }; }, cardinality);
}

Dataset Dataset::from_generator(std::function<Generator(std::int64_t epoch)> begin, std::int64_t cardinality) {
  if (!begin) throw ValueError("from_generator: no function was given");
  if (cardinality < 1 && cardinality != unknown)
    throw ValueError(fmt::format("from_generator: cardinality is {}; 1 or more is allowed, and Dataset::unknown ({})", cardinality, unknown));
  return DatasetOf::chain({.stream = detail::data::generator_node(std::move(begin), cardinality)});
}

// ---- transforms ----------------------------------------------------------------------------------------------------------

const Chain& Dataset::chain() const {
  if (!chain_) throw StateError("the Dataset is empty: it was never given a source; begin with Dataset::from_tensors, from_directory, from_zip or from_generator");
  return *chain_;
}

Dataset Dataset::map(MapFunction function) const {
  if (!function) throw ValueError("map: no function was given");
  return map([function = std::move(function)](Element element, const DatasetPosition&) { return function(std::move(element)); });
}

Dataset Dataset::map(PlacedMapFunction function) const {
  if (!function) throw ValueError("map: no function was given");
  return detail::data::with_node(chain(), [&](const auto& inner) { return detail::data::map_node(inner, function); });
}

Dataset Dataset::shuffle(const ShuffleOptions& options) const {
  detail::data::check_finite("shuffle", chain());
  if (options.buffer_size < 0) throw ValueError(fmt::format("shuffle: buffer_size is {}; 0 or more is allowed", options.buffer_size));
  if (!is_indexed() && options.buffer_size == 0)
    throw ValueError("shuffle: the data can only be read in order, so they are shuffled within a window: give buffer_size, its number of elements");
  return detail::data::with_node(chain(), [&](const auto& inner) { return detail::data::shuffle_node(inner, options); });
}

Dataset Dataset::batch(std::int64_t batch_size, bool drop_remainder) const {
  if (batch_size < 1) throw ValueError(fmt::format("batch: batch_size is {}; 1 or more is allowed", batch_size));
  Chain batched = *detail::data::with_node(chain(), [&](const auto& inner) { return detail::data::batch_node(inner, batch_size, drop_remainder); }).chain_;
  batched.is_unbatched = false;
  return DatasetOf::chain(std::move(batched));
}

Dataset Dataset::repeat(std::int64_t count) const {
  detail::data::check_count("repeat", count);
  return detail::data::with_node(chain(), [&](const auto& inner) { return detail::data::repeat_node(inner, count); });
}

Dataset Dataset::take(std::int64_t count) const {
  detail::data::check_count("take", count);
  return detail::data::with_node(chain(), [&](const auto& inner) { return detail::data::range_node(inner, 0, count < 0 ? detail::data::endless : count); });
}

Dataset Dataset::skip(std::int64_t count) const {
  detail::data::check_count("skip", count);
  const bool is_all = count < 0;
  return detail::data::with_node(chain(), [&](const auto& inner) { return detail::data::range_node(inner, is_all ? 0 : count, is_all ? 0 : detail::data::endless); });
}

Dataset Dataset::cache() const {
  detail::data::check_finite("cache", chain());
  return detail::data::with_node(chain(), [](const auto& inner) { return detail::data::cache_node(inner); });
}

Dataset Dataset::prefetch(const PrefetchOptions& options) const {
  if (options.buffer_size < 0) throw ValueError(fmt::format("prefetch: buffer_size is {}; 0 (chosen by linn) or more is allowed", options.buffer_size));
  if (options.threads != 0) detail::core::check_threads(options.threads, "prefetch: threads");
  Chain ahead = chain();
  ahead.is_prefetched = true;
  ahead.prefetch = options;
  return DatasetOf::chain(std::move(ahead));
}

// ---- questions -----------------------------------------------------------------------------------------------------------

std::int64_t Dataset::cardinality() const {
  if (!is_indexed()) return chain().stream->cardinality();
  const std::int64_t count = chain().indexed->count();
  return count == detail::data::endless ? infinite : count;
}

bool Dataset::is_indexed() const { return chain().indexed != nullptr; }
bool Dataset::is_unbatched() const { return chain().is_unbatched; }

const std::vector<std::string>& Dataset::class_names() const {
  static const std::vector<std::string> none;
  return chain().notes ? chain().notes->class_names : none;
}

const std::vector<std::string>& Dataset::notes() const {
  static const std::vector<std::string> none;
  return chain().notes ? chain().notes->notes : none;
}

SkippedImages Dataset::skipped() const { return chain().notes ? chain().notes->skipped->get() : SkippedImages(); }

Dataset::Iterator Dataset::iterate(const DatasetPosition& from) const {
  static_cast<void>(chain());
  Iterator iterator(std::make_unique<Iterator::State>(chain_));
  iterator.skip_to(from);
  return iterator;
}

Dataset::PassIterator Dataset::begin() const { return PassIterator(iterate()); }

// ---- iterators -----------------------------------------------------------------------------------------------------------

struct Dataset::Iterator::State {
  explicit State(std::shared_ptr<const Chain> data) : chain(std::move(data)) {}

  // Opens the pass at the position and makes what lies before it, where that cannot be left out.
  void open() {
    const auto epoch = static_cast<std::uint64_t>(position.epoch);
    if (chain->indexed) {
      pass = chain->indexed->pass(epoch);
    } else {
      stream = chain->stream->stream(epoch);
      Element passed_over;
      for (std::int64_t i = 0; i < position.index; ++i)
        if (!stream->next(passed_over)) throw ValueError(fmt::format("skip_to: index {}, but the pass ended after {} elements", position.index, i));
    }
    if (chain->is_prefetched) {
      const int threads = this->threads();
      const std::int64_t buffer = chain->prefetch.buffer_size == 0 ? threads + 2 : chain->prefetch.buffer_size;
      ahead.emplace([this](std::int64_t i, Element& to) { return make(i, to); }, position.index, buffer, threads);
    }
    is_open = true;
  }

  int threads() const {
    if (!chain->indexed) return 1;
    return chain->prefetch.threads == 0 ? std::min(detail::core::default_threads(), detail::data::most_default_threads) : chain->prefetch.threads;
  }

  // Called on the threads of `ahead` too: reads nothing that `next` changes.
  detail::data::Outcome make(std::int64_t i, Element& to) const {
    if (!pass) return stream->next(to) ? detail::data::Outcome::element : detail::data::Outcome::end;
    if (i >= chain->indexed->count()) return detail::data::Outcome::end;
    return pass->at(i, to) ? detail::data::Outcome::element : detail::data::Outcome::left_out;
  }

  void close() {
    ahead.reset();  // its threads use the other two
    pass.reset();
    stream.reset();
    is_open = false;
  }

  std::shared_ptr<const Chain> chain;
  DatasetPosition position;
  bool is_open = false, is_over = false;
  std::unique_ptr<const detail::data::Pass> pass;
  std::unique_ptr<detail::data::Stream> stream;
  std::optional<detail::data::Ahead> ahead;
};

Dataset::Iterator::Iterator(std::unique_ptr<State> state) : state_(std::move(state)) {}
Dataset::Iterator::Iterator(Iterator&&) noexcept = default;
Dataset::Iterator& Dataset::Iterator::operator=(Iterator&&) noexcept = default;
Dataset::Iterator::~Iterator() = default;

bool Dataset::Iterator::next(Element& element) {
  State& s = *state_;
  if (s.is_over) return false;
  s.is_over = true;  // for the case that something throws
  if (!s.is_open) s.open();
  while (true) {
    const detail::data::Outcome outcome = s.ahead ? s.ahead->next(element) : s.make(s.position.index, element);
    if (outcome == detail::data::Outcome::end) {
      s.close();
      return false;
    }
    ++s.position.index;
    if (outcome == detail::data::Outcome::left_out) continue;
    s.is_over = false;
    return true;
  }
}

DatasetPosition Dataset::Iterator::position() const { return state_->position; }

void Dataset::Iterator::skip_to(const DatasetPosition& position) {
  if (position.epoch < 0 || position.index < 0)
    throw ValueError(fmt::format("skip_to: epoch {}, index {}; numbers of 0 or more are allowed", position.epoch, position.index));
  const Chain& chain = *state_->chain;
  const std::int64_t all = chain.indexed ? chain.indexed->count() : chain.stream->cardinality();
  if (all >= 0 && position.index > all) throw ValueError(fmt::format("skip_to: index {}; a pass has {} elements", position.index, all));
  state_->close();
  state_->position = position;
  state_->is_over = false;
}

Dataset::PassIterator::PassIterator(Iterator iterator) : iterator_(std::move(iterator)) { ++*this; }

Dataset::PassIterator& Dataset::PassIterator::operator++() {
  more_ = iterator_.next(element_);
  return *this;
}

}  // namespace linn
