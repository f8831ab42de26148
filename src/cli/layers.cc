// linn layers: what layers, losses, optimizers and so on there are, and what their arguments mean.
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "core/did_you_mean.h"
#include "io/text.h"
#include "layers/page.h"

namespace linn::cli {
namespace {

struct LayersArguments {
  std::string name;
  bool markdown = false;
};

// Names that the text is a part of, or whose description it is, whatever its case.
std::string related(const std::string& text) {
  const std::string wanted = detail::io::lower_case(text);
  const auto holds = [&](std::string_view words) { return detail::io::lower_case(words).find(wanted) != std::string::npos; };
  std::string names;
  constexpr std::size_t most = 8;
  std::size_t count = 0;
  for (const std::string_view name : detail::layers::names()) {
    const auto rows = detail::layers::rows_called(name);
    const bool is_related = holds(name) || std::ranges::any_of(rows, [&](const detail::schema::Row* row) { return holds(row->info.help); });
    if (is_related && ++count <= most) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return count > most ? names + ", ..." : names;
}

std::string unknown(const std::string& name) {
  const std::vector<std::string_view> known = detail::layers::names();
  const std::string others = name.size() < 3 ? "" : related(name);
  return fmt::format("nothing is called {}{}{}; `linn layers` lists all names", detail::io::quote(name), others.empty() ? detail::core::did_you_mean(name, known) : "",
                     others.empty() ? "" : fmt::format(" (see {})", others));
}

int run(const LayersArguments& options) {
  if (options.markdown || options.name.empty()) {
    write_to(stdout, "{}", options.markdown ? detail::layers::page() : detail::layers::overview());
    return exit_ok;
  }
  const auto rows = detail::layers::rows_called(options.name);
  if (rows.empty()) throw UsageError(unknown(options.name));
  for (const detail::schema::Row* row : rows) {
    if (rows.size() > 1) write_to(stdout, "{}{}: ", row == rows.front() ? "" : "\n", detail::schema::name_of(row->kind));
    write_to(stdout, "{}", detail::layers::details(*row));
  }
  return exit_ok;
}

}  // namespace

Action add_layers(CLI::App& app) {
  auto options = std::make_shared<LayersArguments>();
  app.description("List layers, activation functions, losses, metrics, optimizers, schedules, initializers and regularizers, or explain one.");
  add_text(app, "name", options->name, "of a layer, a loss, an optimizer, ...; without one, all are listed")->type_name("NAME");
  app.add_flag("--markdown", options->markdown, "print the page docs/layers.md");
  app.footer("Example:\n  linn layers Conv2D\n  linn layers adamw");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
