// What is wrong with a file or directory of a model, without using it.
#pragma once

#include <exception>
#include <string>
#include <vector>

namespace linn::detail::model {

struct Check {
  std::string file;
  std::string name;  // "bytes", "checksums", "values", "network", "self-test", ...
  std::string text;  // what was found
  std::exception_ptr fault = nullptr;  // null: it is well

  /// Within a handler: the exception becomes the fault, and what it says the text, without the file's name.
  void fail(std::string says);
};

/// Looks at everything in a file that holds a model, weights or a configuration, or in a model's directory: whether the bytes are whole, checksums,
/// NaN and infinities (a fault) and denormals, whether the network loads, and whether it gives what it gave when it was saved. In a directory
/// that save_model wrote also whether config.json agrees, and every checkpoint*.safetensors. Reports all it finds; throws IoError only where
/// there is nothing at `path`.
std::vector<Check> verify(const std::string& path);

}  // namespace linn::detail::model
