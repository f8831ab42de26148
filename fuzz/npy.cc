// .npy: an array that loads, saved and loaded again, is the same array.
#include "io/npy.h"

#include <cstring>
#include <vector>

#include "check.h"
#include "io/elements.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  fuzz::accept_errors([&] {
    const Tensor tensor = detail::io::read_npy(fuzz::bytes_of(data, size), "fuzz.npy");
    const std::string header = detail::io::npy_header(tensor);
    std::vector<std::byte> again(detail::io::bytes_of(header).begin(), detail::io::bytes_of(header).end());
    again.insert(again.end(), detail::io::bytes_of(tensor).begin(), detail::io::bytes_of(tensor).end());
    const Tensor back = detail::io::read_npy(again, "again.npy");
    fuzz::check(back.shape() == tensor.shape() && back.dtype() == tensor.dtype(), "shape and type outlive a round trip");
    fuzz::check(std::memcmp(back.raw(), tensor.raw(), tensor.bytes()) == 0, "elements outlive a round trip");
  });
  return 0;
}
