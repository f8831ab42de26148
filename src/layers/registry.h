// Each layer class gives `read_layer<Class>`: the layer from Keras's config. Defined in its family's file.
#pragma once

#include <string>

#include "layers/description.h"

namespace linn::layers {

template <class LayerClass>
DescriptionPtr read_layer(const io::Json& config, const std::string& where);

}  // namespace linn::layers
