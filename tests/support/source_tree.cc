#include "support/source_tree.h"

namespace linn::tests {

std::string source_dir() { return LINN_SOURCE_DIR; }

}  // namespace linn::tests
