// load_model on a file of any kind: an error, or a model that predicts and can be saved.
#include "linn/model.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "check.h"

namespace {

// A regular file in memory, under a name that can be opened.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : file_(::memfd_create("fuzz", 0)) {
    linn::fuzz::check(file_ >= 0 && ::write(file_, data, size) == static_cast<ssize_t>(size), "the input is in a file");
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  // A configuration alone holds no weights: load_model makes them anew, as many as it asks for.
  if (size > 0 && std::string("{[ \n\t\r\xef").find(static_cast<char>(data[0])) != std::string::npos) return 0;
  const MemoryFile file(data, size);
  fuzz::accept_errors([&] {
    const Model model = load_model(file.path());
    if (!model.built()) return;
    std::size_t bytes = 0;
    for (const auto& [name, value] : model.named_weights()) bytes += value.bytes();
    fuzz::check(bytes <= 1100 * size + (std::size_t{1} << 20), "the weights are in the file, compressed at most");
  });
  return 0;
}
