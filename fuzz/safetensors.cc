// safetensors: what loads takes no more bytes than the file has.
#include "formats/safetensors.h"

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  fuzz::accept_errors([&] {
    Metadata metadata;
    const NamedTensors tensors = detail::formats::read_safetensors(fuzz::bytes_of(data, size), "fuzz.safetensors", &metadata);
    std::size_t total = 0;
    for (const auto& [name, tensor] : tensors) total += tensor.bytes();
    fuzz::check(total <= 4 * size, "widening takes at most four bytes for one");
  });
  return 0;
}
