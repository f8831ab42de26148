// The rows of all layer classes. Each family's file defines `layer_row<Class>` with LINN_LAYER_ROW (layers/described.h).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "layers/description.h"
#include "schema/row.h"

namespace linn::detail::layers {

using LayerRow = schema::RowOf<DescriptionPtr>;

template <class LayerClass>
LayerRow layer_row();

/// In the order of registry.inc.
std::span<const LayerRow> layer_rows();

/// Whether Keras has a layer of this class that takes this configuration: without options that Keras lacks, and with a padding of Keras's.
bool is_keras_layer(std::string_view class_name, const io::Json& config);

}  // namespace linn::detail::layers
