#pragma once

#include "linn/data.h"
#include "support/source_tree.h"

namespace linn::tests {

inline const Archive& mnist() {
  static const Archive data = load_npz(data_file("mnist.npz"));
  return data;
}

}  // namespace linn::tests
