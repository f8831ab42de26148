// load_image_folder on a folder that is open.
#pragma once

#include "data/file_tree.h"
#include "linn/data.h"

namespace linn::detail::data {

/// See linn/data.h.
ImageFolder load_images(const FileTree& tree, const ImageFolderOptions& options);

}  // namespace linn::detail::data
