// room: shift
// Everything.
#pragma once

#include "linn/activations.h"   // IWYU pragma: export
#include "linn/augment.h"       // IWYU pragma: export
#include "linn/certificate.h"   // IWYU pragma: export
#include "linn/data.h"          // IWYU pragma: export
#include "linn/dataset.h"       // IWYU pragma: export
#include "linn/error.h"         // IWYU pragma: export
#include "linn/fit.h"           // IWYU pragma: export
#include "linn/fix.h"           // IWYU pragma: export
#include "linn/formats.h"       // IWYU pragma: export
#include "linn/initializers.h"  // IWYU pragma: export
#include "linn/layer.h"         // IWYU pragma: export
#include "linn/layers.h"        // IWYU pragma: export
#include "linn/losses.h"        // IWYU pragma: export
#include "linn/metrics.h"       // IWYU pragma: export
#include "linn/model.h"         // IWYU pragma: export
#include "linn/models.h"        // IWYU pragma: export
#include "linn/optimizers.h"    // IWYU pragma: export
#include "linn/profile.h"       // IWYU pragma: export
#include "linn/constraints.h"   // IWYU pragma: export
#include "linn/regularizers.h"  // IWYU pragma: export
#include "linn/shape.h"         // IWYU pragma: export
#include "linn/shift.h"         // IWYU pragma: export
#include "linn/tensor.h"        // IWYU pragma: export
#include "linn/tensors.h"       // IWYU pragma: export
#include "linn/train.h"         // IWYU pragma: export
#include "linn/types.h"         // IWYU pragma: export
