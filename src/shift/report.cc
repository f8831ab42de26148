#include "linn/shift.h"
namespace linn::shift {
void write_report(const std::string&, const Sweep&, const Blame*, const Sequential&, const Tensor&, const ReportOptions&) {}
}
