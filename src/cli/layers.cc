// linn layers: what layers and activation functions there are, and what their arguments mean.
#include <memory>

#include "cli/command.h"
#include "layers/page.h"

namespace linn::cli {
namespace {

struct LayersArguments {
  std::string name;
  bool markdown = false;
};

int run(const LayersArguments& options) {
  if (options.markdown || options.name.empty()) {
    write_to(stdout, "{}", options.markdown ? detail::layers::page() : detail::layers::overview());
    return exit_ok;
  }
  std::vector<std::string_view> known;
  for (const detail::schema::Kind kind : {detail::schema::Kind::layer, detail::schema::Kind::activation})
    for (const detail::schema::Row* row : detail::layers::rows(kind)) {
      if (row->is_called(options.name)) {
        write_to(stdout, "{}", detail::layers::details(*row));
        return exit_ok;
      }
      known.push_back(row->info.name);
    }
  throw UsageError(detail::schema::unknown_name(detail::schema::Kind::layer, options.name, known));
}

}  // namespace

Action add_layers(CLI::App& app) {
  auto options = std::make_shared<LayersArguments>();
  app.description("List layers and activation functions, or explain one.");
  add_text(app, "name", options->name, "a layer or activation function; without one, all are listed")->type_name("NAME");
  app.add_flag("--markdown", options->markdown, "print the page docs/layers.md");
  app.footer("Example:\n  linn layers Conv2D");
  return [options] { return run(*options); };
}

}  // namespace linn::cli
