// The HTML report's page.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "linn/shift.h"

namespace linn::shift {

/// What write_report writes.
std::string report_of(const Sweep& sweep, const ErrorSources* sources, const Model& model, const Tensor& images, const ReportOptions& options);

/// Text for HTML, also inside quotes.
std::string escaped(std::string_view text);
/// RFC 4648.
std::string base64(std::span<const std::byte> bytes);

}  // namespace linn::shift
