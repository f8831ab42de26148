// Checks the names in LINN_DISABLE. Without the check a misspelt name would silently do nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace linn::detail::plan {

/// Messages for a list "kernel.implementation,...": one line for each unknown name, with the most similar known name.
std::string complaints_about_disabled(std::string_view list);

/// Prints these messages for LINN_DISABLE to standard error, once in a process.
void check_disabled();

}  // namespace linn::detail::plan
