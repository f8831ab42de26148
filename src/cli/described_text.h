// Losses, metrics, optimizers and schedules as a user writes them on the command line and in a run.json: "adamw:weight_decay=0.05,beta_1=0.8".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace linn::cli {

/// The parts between commas, but not between those in brackets.
std::vector<std::string_view> parts_of(std::string_view text);

/// NAME, or NAME:ARGUMENT=VALUE,ARGUMENT=VALUE..., as Keras's configuration names it: a text, or {"class_name": NAME, "config": {...}}. A value
/// that is JSON (a number, true, null, a list in brackets) is that, any other a text. Names are not looked up here. FormatError, which begins
/// with `option`, or with the place in a file, for a name or an argument that is missing or given twice.
detail::io::Json described_text(const std::string& option, const std::string& text);

/// Several, as an array: "accuracy,top_k_categorical_accuracy:k=3,precision:top_k=2,class_id=1". What has no "=" begins the next.
detail::io::Json described_texts(const std::string& option, const std::string& text);

}  // namespace linn::cli
