// Losses and metrics: lowered to ops, written to JSON.
#pragma once

#include <string_view>

#include "io/json.h"
#include "linn/losses.h"
#include "plan/ops/loss.h"

namespace linn::optim {

/// Whether targets are integer labels, one for each prediction row.
bool takes_labels(const Loss& loss);
/// One unweighted loss a row, through which gradients flow into the prediction.
plan::Value lower(plan::Lowering& to, const Loss& loss, const plan::LossInputs& inputs);
/// One number a row, whose mean is the metric.
plan::Value lower(plan::Lowering& to, const Metric& metric, const plan::LossInputs& inputs);

io::Json to_json(const Loss& loss);
Loss loss_from_json(const io::Json& json, std::string_view where);

}  // namespace linn::optim
