// The names in LINN_DISABLE, which would otherwise do nothing when one is misspelt.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace linn::plan {

/// What to say about a list "kernel.implementation,...": a line for each name that stands for nothing, with a guess.
std::string complaints_about_disabled(std::string_view list);

/// Says it about LINN_DISABLE on standard error, once in a process.
void check_disabled();

}  // namespace linn::plan
