// The command: which subcommand, and what an error means for the exit code.
#include <cxxabi.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "core/did_you_mean.h"
#include "io/text.h"
#include "linn/error.h"

namespace {

using namespace linn;
using namespace linn::cli;

bool asked_for_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--log=json" || (argument == "--log" && i + 1 < argc && std::string_view(argv[i + 1]) == "json")) return true;
  }
  return false;
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& lname : option->get_lnames()) names.push_back("--" + lname);
    for (const std::string& sname : option->get_snames()) names.push_back("-" + sname);
  }
  return names;
}

[[noreturn]] void refuse_option(const CLI::App& app, const CLI::App& command, std::string_view name) {
  // `linn --log json summary`: known, but in the wrong place.
  if (&command == &app) {
    for (const CLI::App* candidate : app.get_subcommands([](const CLI::App*) { return true; })) {
      const std::vector<std::string> known = options_of(*candidate);
      if (std::find(known.begin(), known.end(), name) != known.end())
        throw UsageError(fmt::format("option {0} came before the command; it goes behind it: linn COMMAND {0} ...", name));
    }
  }
  throw UsageError(fmt::format("unknown option {}{}", detail::io::quote(name), detail::core::did_you_mean(name, options_of(command))));
}

// CLI11 reports what it did not understand only after everything else; here the first unknown word is named, with a guess.
void refuse_unknown(const CLI::App& app, int argc, char** argv) {
  const CLI::App* command = &app;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--") return;
    if (argument.size() > 1 && argument[0] == '-') {
      if (std::string_view("0123456789.").find(argument[1]) != std::string_view::npos) continue;  // a negative number
      const std::string_view name = argument.substr(0, argument.find('='));
      const std::vector<std::string> known = options_of(*command);
      if (std::find(known.begin(), known.end(), name) == known.end()) refuse_option(app, *command, name);
    } else if (command == &app) {
      std::vector<std::string> known;
      for (const CLI::App* candidate : app.get_subcommands([](const CLI::App*) { return true; })) known.push_back(candidate->get_name());
      if (std::find(known.begin(), known.end(), argument) == known.end())
        throw UsageError(fmt::format("unknown command {}{}", detail::io::quote(argument), detail::core::did_you_mean(argument, known)));
      command = app.get_subcommand(std::string(argument));
    }
  }
}

int run(int argc, char** argv) {
  CLI::App app("linn: convolutional networks on CPUs, and what pooling does to translation", "linn");
  app.set_version_flag("--version", std::string("linn " LINN_VERSION), "Print the version and leave");
  app.set_help_flag("-h,--help", "Print this help and leave");
  app.get_formatter()->column_width(34);
  app.require_subcommand(1);
  app.footer(
      "linn COMMAND --help says more about each. A first walk:\n"
      "  linn summary                     the notebook's network\n"
      "  linn train --out digits          train it on MNIST\n"
      "  linn evaluate digits             measure it\n"
      "  linn predict digits --row 0      ask it\n"
      "  linn shift digits --radius 2     move the digits\n"
      "Exit codes: 0; 2 usage; 3 bad input; 4 files; 5 out of memory; 6 NaN in training; 70 a fault of linn's; 130 interrupted.");

  std::vector<std::pair<CLI::App*, Action>> actions;
  const auto add = [&](const char* name, Action (*make)(CLI::App&)) {
    CLI::App* command = app.add_subcommand(name);
    Action action = make(*command);
    actions.emplace_back(command, std::move(action));
  };
  add("summary", add_summary);
  add("train", add_train);
  add("evaluate", add_evaluate);
  add("predict", add_predict);
  add("shift", add_shift);
  add("fix", add_fix);
  add("profile", add_profile);
  add("convert", add_convert);
  add("inspect", add_inspect);
  add("verify", add_verify);
  add("layers", add_layers);
  add("demo", add_demo);

  refuse_unknown(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ArgumentMismatch& error) {  // "--epochs: At Most 1 required but received 2" is no sentence
    const std::string text = error.what();
    const std::size_t at = text.find(": At Most 1 required but received ");
    throw UsageError(at == std::string::npos ? text : fmt::format("{} is given more than once; once is allowed", text.substr(0, at)));
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  leave_on_interrupt();
  for (const auto& [command, action] : actions)
    if (command->parsed()) return action();
  return exit_usage;
}

int report(bool json, int code, const char* kind, const std::string& message) {
  write_to(stderr, "linn: {}\n", message);
  if (json) {
    const detail::io::Json event = {{"event", "error"}, {"kind", kind}, {"message", message}, {"exit_code", code}};
    write_to(stdout, "{}\n", event.dump(-1, ' ', false, detail::io::Json::error_handler_t::replace));
  }
  return code;
}

int guarded(int argc, char** argv) {
  const bool json = asked_for_json(argc, argv);
  try {
    const int code = run(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return report(false, exit_io, "IoError", "cannot write to standard output");
    return code;
  } catch (const UsageError& error) {
    return report(json, exit_usage, "UsageError", fmt::format("{}\nlinn --help shows what there is", error.what()));
  } catch (const MemoryError& error) {
    return report(json, exit_memory, "MemoryError", error.what());
  } catch (const std::bad_alloc&) {
    return report(json, exit_memory, "MemoryError", "out of memory; smaller batches (--batch-size) or fewer images (--limit) need less");
  } catch (const IoError& error) {
    return report(json, exit_io, "IoError", error.what());
  } catch (const ShapeError& error) {
    return report(json, exit_bad_input, "ShapeError", error.what());
  } catch (const ValueError& error) {
    return report(json, exit_bad_input, "ValueError", error.what());
  } catch (const NonFiniteError& error) {
    return report(json, exit_nonfinite, "NonFiniteError", error.what());
  } catch (const DataError& error) {
    return report(json, exit_bad_input, "DataError", error.what());
  } catch (const FormatError& error) {
    return report(json, exit_bad_input, "FormatError", error.what());
  } catch (const Error& error) {  // StateError: such as a configuration that leaves the input's shape open
    return report(json, exit_bad_input, "StateError", error.what());
  } catch (const std::exception& error) {
    return report(
        json, exit_bug, "InternalError",
        fmt::format("a fault of linn's own: {}\nplease report it, with the command line and the data it was given", error.what()));
  }
}

// Memory may run out where no exception can leave: in static objects, and in destructors and noexcept functions of libraries. The
// message and the exit code are those of main's handler then, in place of an abort. Nothing here allocates.
std::terminate_handler terminate_otherwise = nullptr;

[[noreturn]] void leave_when_terminated() {
  const std::type_info* const thrown = abi::__cxa_current_exception_type();
  if (thrown == nullptr || *thrown != typeid(std::bad_alloc)) {
    terminate_otherwise();
    std::abort();
  }
  constexpr std::string_view text = "linn: out of memory; smaller batches (--batch-size) or fewer images (--limit) need less\n";
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) std::abort();
  ::_exit(exit_memory);
}

// Before all static objects.
__attribute__((constructor(101))) void watch_memory() { terminate_otherwise = std::set_terminate(leave_when_terminated); }

}  // namespace

int main(int argc, char** argv) {
  // A reader that leaves (`linn train --out digits | head`) must not end the training: writes fail, the model is saved, and the
  // exit code is that of a failed write.
  ::signal(SIGPIPE, SIG_IGN);
  return guarded(argc, argv);
}
