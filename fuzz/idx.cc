// IDX, plain and gzip: what loads takes no more than the compressed bytes can hold.
#include "data/idx.h"

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  fuzz::accept_errors([&] {
    const Tensor tensor = detail::data::read_idx(fuzz::bytes_of(data, size), "fuzz.idx");
    fuzz::check(tensor.bytes() <= 4 * 1032 * size, "an array is no larger than its file can hold");
  });
  return 0;
}
