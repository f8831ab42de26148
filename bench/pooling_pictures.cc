// What each pooling does to a digit, as docs/pooling.md shows it: a PNG for each, written by linn.
//
//     ninja pooling_pictures && ./bench/pooling_pictures data/mnist.npz docs/pictures
//
// Four squares from left to right: the digit; what the pooling makes of it; what it makes of the digit moved one pixel to the right; the
// magnitude of the difference of these two. A pooling at stride 2 that commuted with every shift would leave half a cell of movement there
// and nothing else. White is the largest value of the two outputs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "io/png.h"
#include "linn/linn.h"

namespace {

constexpr std::int64_t digit = 28, square = 112, gap = 6;

struct Shown {
  std::string name;
  std::vector<linn::Layer> layers;
};

std::vector<Shown> poolings() {
  using namespace linn;
  return {{"max", {MaxPooling2D()}},
          {"average", {AveragePooling2D(2)}},
          {"blur", {BlurPooling2D(3)}},
          {"max-blur", {MaxBlurPooling2D(2, {.filter_size = 3})}},
          {"aps", {AdaptivePolyphaseSampling2D()}},
          {"lps", {LearnablePolyphaseSampling2D()}},
          {"flc", {FrequencyLowCutPooling2D()}},
          {"ddac", {AdaptiveBlurPooling2D(3, {.groups = 1})}},
          {"tips", {TranslationInvariantPolyphaseSampling2D()}},
          {"fractional", {FractionalMaxPooling2D()}},
          {"pyramid", {SpatialPyramidPooling2D(Axes(7)), Reshape({7, 7, 1})}},
          {"strip", {StripPooling2D()}},
          {"attention", {AttentionPooling2D(64, {.keepdims = true})}},
          {"adaptive-max", {AdaptiveMaxPooling2D(11)}},
          {"adaptive-average", {AdaptiveAveragePooling2D(11)}},
          {"lp", {LpPooling2D()}},
          {"gem", {GeneralizedMeanPooling2D()}},
          {"soft", {SoftPooling2D()}},
          {"stochastic", {StochasticPooling2D()}},
          {"mixed", {MixedPooling2D()}},
          {"gated", {GatedPooling2D()}},
          {"global-max", {GlobalMaxPooling2D({.keepdims = true})}},
          {"global-average", {GlobalAveragePooling2D({.keepdims = true})}},
          {"global-lp", {GlobalLpPooling2D({.keepdims = true})}},
          {"global-gem", {GlobalGeneralizedMeanPooling2D({.keepdims = true})}}};
}

// The digit and the digit one pixel to the right, values 0 to 1.
linn::Tensor digit_and_moved(const linn::Tensor& images) {
  linn::Tensor both(linn::Shape{2, digit, digit, 1});
  const auto from = images.values<std::uint8_t>();
  const auto to = both.values<float>();
  for (std::int64_t y = 0; y < digit; ++y)
    for (std::int64_t x = 0; x < digit; ++x) {
      const auto at = static_cast<std::size_t>(y * digit + x);
      to[at] = static_cast<float>(from[at]) / 255;
      if (x > 0) to[at + static_cast<std::size_t>(digit * digit)] = static_cast<float>(from[at - 1]) / 255;
    }
  return both;
}

// A map of n x n cells as square number `place`.
void paint(linn::Tensor& picture, std::int64_t place, const float* map, std::int64_t n, float white) {
  const auto to = picture.values<std::uint8_t>();
  const std::int64_t width = picture.shape()[1];
  for (std::int64_t y = 0; y < square; ++y)
    for (std::int64_t x = 0; x < square; ++x) {
      const float value = std::clamp(map[y * n / square * n + x * n / square] / white, 0.0f, 1.0f);
      to[static_cast<std::size_t>(y * width + place * (square + gap) + x)] = static_cast<std::uint8_t>(std::lround(255 * value));
    }
}

void write(const std::string& path, const linn::Tensor& input, const linn::Tensor& output) {
  const std::int64_t n = output.shape()[1];
  const auto values = output.values<float>();
  const std::size_t cells = static_cast<std::size_t>(n * n);
  std::vector<float> difference(cells);
  for (std::size_t i = 0; i < cells; ++i) difference[i] = std::abs(values[i] - values[cells + i]);
  const float white = std::max(*std::max_element(values.begin(), values.end()), 1e-9f);
  linn::Tensor picture(linn::Shape{square, 4 * square + 3 * gap}, linn::DType::u8);
  for (std::uint8_t& pixel : picture.values<std::uint8_t>()) pixel = 96;
  paint(picture, 0, input.values<float>().data(), digit, 1);
  paint(picture, 1, values.data(), n, white);
  paint(picture, 2, values.data() + cells, n, white);
  paint(picture, 3, difference.data(), n, white);
  linn::detail::io::write_png(path, picture);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: pooling_pictures data/mnist.npz FOLDER\n");
    return 2;
  }
  const linn::Archive data = linn::load_npz(argv[1]);
  const linn::Tensor input = digit_and_moved(data["x_test"].rows(0, 1));
  const auto show = [&](const std::string& name, const linn::Model& model) {
    write(std::string(argv[2]) + "/pooling-" + name + ".png", input, model.predict(input));
  };
  for (const Shown& shown : poolings()) {
    linn::Sequential model({linn::Input({digit, digit, 1})});
    for (const linn::Layer& layer : shown.layers) model.add(layer);
    show(shown.name, model);
  }
  const auto map = linn::Input({digit, digit, 1});
  const auto pooled = linn::MaxPoolingWithArgmax2D(2).call({map});
  show("unpool", linn::Model(map, linn::MaxUnpooling2D(2)({pooled[0], pooled[1]})));
}
