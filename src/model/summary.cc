// Model::summary: the table of src/graph on the right kind of output.
#include <cstdio>

#include "core/terminal.h"
#include "graph/summary.h"
#include "model/state.h"
#include "optim/optimizers.h"

namespace linn {

void Model::summary(const SummaryOptions& options) const {
  detail::graph::SummaryStyle style{
      .line_length = options.line_length, .columns = detail::core::terminal_columns(stdout), .show_trainable = options.show_trainable};
  style.positions = options.positions;
  style.layer_range = options.layer_range;
  style.expand_nested = options.expand_nested;
  if (state_->training_state())
    style.optimizer = detail::graph::optimizer_numbers(state_->graph, state_->compile->optimizer.description());
  style.color = !options.print_fn && detail::core::use_color(stdout);
  const std::string text = detail::graph::summary(state_->graph, style);
  if (options.print_fn) return options.print_fn(text);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace linn
