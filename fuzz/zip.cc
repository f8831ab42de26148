// ZIP: what reads, written and read again, is the same.
#include "io/zip.h"

#include <vector>

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linn;
  fuzz::accept_errors([&] {
    detail::io::ZipLimits limits;
    limits.member_bytes = 1 << 20;
    const detail::io::ZipReader zip(fuzz::bytes_of(data, size), "fuzz.zip", limits);
    std::vector<linn::detail::core::Bytes> contents;
    for (const detail::io::ZipMember& member : zip.members()) contents.push_back(zip.read(member));
    std::vector<std::byte> again;
    detail::io::ZipWriter writer([&](std::span<const std::byte> part) { again.insert(again.end(), part.begin(), part.end()); },
                         size % 2 == 0);
    for (std::size_t i = 0; i < contents.size(); ++i)
      writer.add(zip.members()[i].name, contents[i],
                 i % 2 == 0 ? detail::io::ZipWriter::Method::stored : detail::io::ZipWriter::Method::deflated);
    writer.finish();
    const detail::io::ZipReader back(again, "again.zip");
    fuzz::check(back.members().size() == contents.size(), "members outlive a round trip");
    for (std::size_t i = 0; i < contents.size(); ++i) {
      fuzz::check(back.members()[i].name == zip.members()[i].name, "names outlive a round trip");
      fuzz::check(back.read(back.members()[i]) == contents[i], "contents outlive a round trip");
    }
  });
  return 0;
}
