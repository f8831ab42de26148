// The CIFAR-10 part of docs/shift-study.md.
//   shift_study_cifar DATA FILE [SEEDS] [EPOCHS] [NETWORK]   trains resnet20 plain, with circular padding, and with what `linn fix` makes of it,
//                                                            and plain and APS with training images moved by up to 4 pixels; measures each under
//                                                            shifts: a line of FILE (CSV) for each network and seed that it lacks yet.
//                                                            DATA: a folder or .zip of train/CLASS/* and test/CLASS/*
// Every network is trained from its initial values: Adam in one cycle, batches of 128, images neither flipped nor, where not said, moved.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "linn/linn.h"
#include "shift_study_rows.h"

namespace {

using namespace linn;

constexpr std::int64_t swept_images = 1000;

// The same network with another padding of its convolutions.
Model circular(const Model& model) {
  constexpr std::string_view from = R"("padding":"same")", to = R"("padding":"circular")";
  std::string text = model.to_json();
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return Model::from_json(text);
}

Model network(std::string_view name, std::uint64_t seed, std::int64_t steps) {
  Model plain = models::resnet20({.seed = seed});
  if (name == "plain") return plain;
  if (name == "circular") return circular(plain);
  return shift::fix(plain, {.with = std::string(name), .anneal_steps = steps, .seed = seed}).model;
}

struct Study {
  std::string name;
  bool moved = false;
};
const Study studies[] = {{"plain"}, {"circular"}, {"blur"}, {"aps"}, {"lps"}, {"ddac"}, {"flc"}, {"tips"}, {"plain", true}, {"aps", true}};

Model trained(Model model, const ImageFolder& data, std::int64_t epochs, bool moved) {
  const optimizers::schedules::OneCycle cycle{.max_learning_rate = 0.01, .warmup = 0.2};
  model.compile({.optimizer = optimizers::Adam({.learning_rate = cycle}), .loss = losses::SparseCategoricalCrossentropy(), .metrics = {"accuracy"}});
  FitOptions fit{.batch_size = 128, .epochs = epochs, .verbose = Verbose::silent};
  constexpr double share = study::radius / 32.0;
  if (moved) fit.augment = RandomTranslation(share, share, {.fill_mode = "constant"});
  model.fit(data.x_train, data.y_train, fit);
  return model;
}

study::Row measured(Model& model, const ImageFolder& data) {
  const Tensor images = data.x_test.rows(0, swept_images), labels = data.y_test.rows(0, swept_images);
  study::Row row{.accuracy = model.evaluate(data.x_test, data.y_test, {.batch_size = 256, .verbose = Verbose::silent}).at("accuracy")};
  study::take(row, shift::sweep(model, images, labels, {.radius = study::radius}));
  const shift::Measures ring = shift::sweep(model, images, labels, {.radius = study::radius, .border = "circular"}).measures(study::radius);
  row.circular = ring.consistency.value;
  row.circular_worst = ring.worst_case_accuracy.value;
  row.parameters = model.count_params();
  row.operations = study::million_operations(model);
  return row;
}

void measure_all(const std::string& path, const std::string& file, std::uint64_t seeds, std::int64_t epochs, std::string_view only) {
  ImageFolder data = load_image_folder(path);
  data.x_train = study::from_0_to_1(data.x_train), data.x_test = study::from_0_to_1(data.x_test);
  const std::int64_t steps = epochs * ((data.x_train.shape()[0] + 127) / 128);
  study::RowFile rows(file);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed)
    for (const auto& [name, moved] : studies) {
      if (!only.empty() && only != name) continue;
      rows.add({name, "global average", moved ? "moved" : "in the middle", seed}, [&] {
        Model model = trained(network(name, seed, steps), data, epochs, moved);
        return measured(model, data);
      });
    }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: {} DATA FILE [SEEDS] [EPOCHS] [plain | circular | blur | aps | lps | ddac | flc | tips]\n", argv[0]);
    return 2;
  }
  const auto number = [&](int at, int otherwise) { return argc > at ? std::atoi(argv[at]) : otherwise; };
  try {
    measure_all(argv[1], argv[2], static_cast<std::uint64_t>(number(3, 3)), number(4, 6), argc > 5 ? argv[5] : "");
  } catch (const std::exception& problem) {
    fmt::print(stderr, "shift_study_cifar: {}\n", problem.what());
    return 1;
  }
  return 0;
}
