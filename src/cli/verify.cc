// linn verify: whether files and directories of models are whole, load, and compute what they did.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "cli/training_run.h"
#include "core/text_cells.h"
#include "linn/error.h"
#include "model/verify.h"

namespace linn::cli {
namespace {

using detail::core::printable;
using detail::model::Check;

struct VerifyArguments {
  Common common;
  std::vector<std::string> paths;
};

// What can be said of a path; that nothing is there, or that it is no model, is a finding too.
std::vector<Check> checks_of(const std::string& path) {
  std::vector<Check> checks;
  try {
    checks = detail::model::verify(path);
  } catch (const Error& error) {
    checks.push_back({.file = path, .name = "file", .text = {}});
    checks.back().fail(error.what());
  }
  const std::string run = run_path(path);
  if (!std::filesystem::exists(run)) return checks;
  Check check{.file = run, .name = "run", .text = "all settings are known"};
  try {
    static_cast<void>(read_run(run));
  } catch (const Error& error) {
    check.fail(error.what());
  }
  checks.push_back(std::move(check));
  return checks;
}

void print(const Common& common, const std::vector<Check>& checks) {
  std::string file;
  for (const Check& check : checks) {
    if (check.file != file) say(common, "{}\n", printable(check.file));
    file = check.file;
    say(common, "  {:<8} {:<14} {}\n", check.fault == nullptr ? "ok" : "PROBLEM", check.name, printable(check.text));
    emit(common, {{"event", "check"}, {"file", check.file}, {"check", check.name}, {"ok", check.fault == nullptr}, {"found", check.text}});
  }
}

int run(const VerifyArguments& options) {
  apply(options.common);
  std::size_t all = 0, bad = 0;
  std::exception_ptr first;
  for (const std::string& path : options.paths) {
    const std::vector<Check> checks = checks_of(path);
    print(options.common, checks);
    for (const Check& check : checks) {
      ++all;
      if (check.fault == nullptr) continue;
      if (bad++ == 0) first = check.fault;
    }
  }
  emit(options.common, {{"event", "verify"}, {"checks", all}, {"problems", bad}});
  if (bad == 0) {
    say(options.common, "{} check{}, no problem\n", all, all == 1 ? "" : "s");
    return exit_ok;
  }
  say(options.common, "{} check{}, {} problem{}\n", all, all == 1 ? "" : "s", bad, bad == 1 ? "" : "s");
  std::fflush(stdout);
  std::rethrow_exception(first);  // decides about the exit code
}

}  // namespace

Action add_verify(CLI::App& app) {
  auto options = std::make_shared<VerifyArguments>();
  app.description(
      "Check files and directories of models: checksums, NaN and infinities, whether they load, and whether they compute what they did when they were saved.");
  app.add_option("path", options->paths,
                 "a model's directory (with run.json and checkpoints), or a .keras, .h5, .weights.h5, .weights.json, .onnx, .safetensors, .npz or .json file")
      ->type_name("PATH")
      ->required();
  add_common(app, options->common);
  app.footer("The exit code is 0 where all is well, else that of the first problem.\nExample:\n  linn verify digits model.keras");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
