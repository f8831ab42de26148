// The HTML report's page.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "linn/shift.h"

namespace linn::shift {

/// The page that write_report writes.
std::string report_of(const Sweep& sweep, const ErrorSources* sources, const Model& model, const Tensor& images,
                      const ReportOptions& options);

/// The text with &, <, >, " and ' as HTML entities: safe in elements and in quoted attributes.
std::string escaped(std::string_view text);
/// Base64 (RFC 4648, section 4), with padding.
std::string base64(std::span<const std::byte> bytes);

}  // namespace linn::shift
