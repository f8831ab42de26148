// What bench/rivals/child.py is, for programs in C++: tunes and warms up, then runs once for each line it reads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rivals {

constexpr int checked_images = 8;  // their probabilities are sent to be compared
constexpr int checked_steps = 5;   // their losses are
constexpr int most_inference_batches = 64;

struct Task {
  std::string network;    // of network.py or of linn's; a convolution alone: its text (convolution.h)
  std::string mode;       // train, infer; of a convolution alone: convolution.h
  std::string precision;  // f32, bf16
  int batch = 0;
  int threads = 0;
  double seconds = 0;  // a run should take about so long
  std::string data;    // mnist.npz, or the folder of raw arrays that bench/compare.py writes for programs without an .npz reader
  std::string weights;
  bool cpu_time = false;  // times are those of the process's CPU clock, which stands still while another program has the CPU

  bool trains() const { return mode == "train"; }
};

struct Setting {
  /// Computes so many batches; returns the mean loss if it trains.
  std::function<double(int batches)> run;
  /// What is compared. Inference: the probabilities of the first images. Training, of networks that say so: the losses of the
  /// first steps from the given weights, all on the first batch. A convolution alone: the sketch of each result (convolution.h).
  std::function<std::vector<float>()> outputs = {};
};

/// Settings to try, by name. With `fixed` the first is taken whatever the trial says, and the others are shown beside it.
struct Rival {
  std::string versions;  // JSON
  std::vector<std::pair<std::string, std::function<Setting()>>> settings;
  int most_batches = 0;  // a run; 0: any number
  bool fixed = false;
  std::string limits = "{}";  // JSON; of linn's side of a convolution: the machine's limits and what a batch asks of them
};

inline Task read_task(int argc, char** argv) {
  std::map<std::string, std::string> fields;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos) throw std::invalid_argument(argument + ": KEY=VALUE is wanted");
    fields[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
  return {.network = fields.at("network"),
          .mode = fields.at("mode"),
          .precision = fields.at("precision"),
          .batch = std::stoi(fields.at("batch")),
          .threads = std::stoi(fields.at("threads")),
          .seconds = std::stod(fields.at("seconds")),
          .data = fields.at("data"),
          .weights = fields.at("weights"),
          .cpu_time = fields.at("clock") == "cpu"};
}

inline std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text)
    if (c == '"' || c == '\\')
      result += {'\\', c};
    else
      result += c >= 0 && c < ' ' ? ' ' : c;
  return result + "\"";
}

inline double clock_seconds(const Task& task) {
  timespec now{};
  clock_gettime(task.cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

inline double timed(const Setting& setting, const Task& task, int batches, double& loss) {
  const double start = clock_seconds(task);
  loss = setting.run(batches);
  return clock_seconds(task) - start;
}

/// Batches a second after a warm-up: the best of three runs that are long enough.
inline double trial(const Setting& setting, const Task& task, int most) {
  setting.run(2);
  const double longest = std::min(0.4, task.seconds);
  double best = 0;
  double loss = 0;
  for (int batches = 1, runs = 0; runs < 3;) {
    const double seconds = timed(setting, task, batches, loss);
    if (seconds > longest / 2 || batches == most) {
      best = std::max(best, batches / seconds);
      ++runs;
    } else {
      batches = std::max(batches + 1, static_cast<int>(batches * std::min(10.0, longest / std::max(seconds, 1e-6))));
      if (most > 0) batches = std::min(batches, most);
    }
  }
  return best;
}

inline void serve(const Task& task, const Rival& rival) {
  std::string trials;
  std::string best_name;
  std::string failures;
  Setting best;
  double best_rate = 0;
  for (const auto& [name, make] : rival.settings) {
    trials += (trials.empty() ? "" : ", ") + quoted(name) + ": ";
    try {
      const Setting setting = make();
      const double rate = trial(setting, task, rival.most_batches);
      trials += std::to_string(rate * task.batch);
      if (rival.fixed ? best_name.empty() : rate > best_rate) {
        best_rate = rate;
        best_name = name;
        best = setting;
      }
    } catch (const std::exception& error) {
      trials += quoted(error.what());
      failures += (failures.empty() ? "" : "; ") + name + ": " + error.what();
    }
  }
  if (best_name.empty()) {
    std::printf("{\"error\": %s}\n", quoted(failures).c_str());
    return;
  }
  int batches = std::max(1, static_cast<int>(std::lround(best_rate * task.seconds)));
  if (rival.most_batches > 0) batches = std::min(batches, rival.most_batches);
  best.run(batches);
  std::string outputs;
  if (best.outputs)
    for (const float value : best.outputs()) outputs += (outputs.empty() ? "" : ", ") + std::to_string(value);
  std::printf("{\"ready\": {\"versions\": %s, \"setting\": %s, \"trials\": {%s}, \"images\": %d, \"outputs\": [%s], \"limits\": %s}}\n",
              rival.versions.c_str(), quoted(best_name).c_str(), trials.c_str(), batches * task.batch, outputs.c_str(),
              rival.limits.c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    double loss = 0;
    const double seconds = timed(best, task, batches, loss);
    std::printf("{\"seconds\": %.9f, \"images\": %d", seconds, batches * task.batch);
    if (task.trains()) std::printf(", \"loss\": %.6f", loss);
    std::printf("}\n");
    std::fflush(stdout);
  }
}

/// The whole of a child's `main`.
inline int run_child(int argc, char** argv, const std::function<Rival(const Task&)>& prepare) {
  try {
    const Task task = read_task(argc, argv);
    serve(task, prepare(task));
    return 0;
  } catch (const std::exception& error) {
    std::printf("{\"error\": %s}\n", quoted(error.what()).c_str());
    return 1;
  }
}

}  // namespace rivals
