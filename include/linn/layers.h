// room: layers
// All layers.
#pragma once

#include "linn/layers/activation.h"  // IWYU pragma: export
#include "linn/layers/activation_layers.h"  // IWYU pragma: export
#include "linn/layers/activity_regularization.h"  // IWYU pragma: export
#include "linn/layers/adaptive_blur.h"  // IWYU pragma: export
#include "linn/layers/arrange.h"     // IWYU pragma: export
#include "linn/layers/attention_pool.h"  // IWYU pragma: export
#include "linn/layers/augment.h"     // IWYU pragma: export
#include "linn/layers/blur.h"        // IWYU pragma: export
#include "linn/layers/conv.h"        // IWYU pragma: export
#include "linn/layers/conv_transpose.h"  // IWYU pragma: export
#include "linn/layers/dense.h"       // IWYU pragma: export
#include "linn/layers/depthwise_conv.h"  // IWYU pragma: export
#include "linn/layers/encoding.h"    // IWYU pragma: export
#include "linn/layers/general_pool.h"  // IWYU pragma: export
#include "linn/layers/fractional_pool.h"  // IWYU pragma: export
#include "linn/layers/frequency_pool.h"  // IWYU pragma: export
#include "linn/layers/merge.h"       // IWYU pragma: export
#include "linn/layers/noise.h"       // IWYU pragma: export
#include "linn/layers/norm.h"        // IWYU pragma: export
#include "linn/layers/normalization.h"  // IWYU pragma: export
#include "linn/layers/pad.h"         // IWYU pragma: export
#include "linn/layers/phase_mix.h"   // IWYU pragma: export
#include "linn/layers/polyphase.h"   // IWYU pragma: export
#include "linn/layers/pool.h"        // IWYU pragma: export
#include "linn/layers/pyramid_pool.h"  // IWYU pragma: export
#include "linn/layers/reshape.h"     // IWYU pragma: export
#include "linn/layers/resize.h"      // IWYU pragma: export
#include "linn/layers/sample_norm.h"  // IWYU pragma: export
#include "linn/layers/spectral_normalization.h"  // IWYU pragma: export
#include "linn/layers/strip_pool.h"  // IWYU pragma: export
#include "linn/layers/unpool.h"  // IWYU pragma: export
