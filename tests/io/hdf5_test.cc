#include "io/hdf5.h"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "io/checksum.h"
#include "io/test_files.h"

namespace linn::detail::io {
namespace {

using test::Bytes;
using test::counting;
using test::expect_error;
using test::kept;
using test::numbers;
using test::slurp;

// ---- helpers -----------------------------------------------------------------------------------------------------

/// A kept file, open.
struct Kept {
  explicit Kept(const std::string& name) : bytes(slurp(kept("io", name))), file(bytes, name) {}
  Hdf5Group root() const { return file.root(); }

  Bytes bytes;
  Hdf5File file;
};

/// Opens and reads all that is there. Returns the shapes of the datasets by their paths.
void walk(const Hdf5Object& object) {
  for (const std::string& name : object.attribute_names()) object.attribute(name);
}
void walk(const Hdf5Group& group, std::map<std::string, Shape>& shapes) {
  walk(group);
  for (const std::string& name : group.names()) {
    if (const auto dataset = group.find_dataset(name)) {
      walk(*dataset);
      if (dataset->is_text())
        dataset->texts();
      else
        EXPECT_EQ(dataset->read().shape(), dataset->shape());
      shapes.emplace(dataset->path(), dataset->shape());
    } else if (const auto below = group.find_group(name)) {
      walk(*below, shapes);
    }
  }
}
std::map<std::string, Shape> walk(std::span<const std::byte> bytes) {
  std::map<std::string, Shape> shapes;
  walk(Hdf5File(bytes, "some.h5").root(), shapes);
  return shapes;
}

Bytes written(Hdf5Writer& writer) {
  Bytes result;
  writer.write([&](std::span<const std::byte> part) { result.insert(result.end(), part.begin(), part.end()); });
  return result;
}

template <class T>
void put(Bytes& bytes, std::size_t at, T value) {
  ASSERT_LE(at + sizeof value, bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof value);
}
template <class T>
T get(const Bytes& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Offset of the `index`-th place where `text` stands.
std::size_t find(const Bytes& bytes, std::string_view text, int index = 0) {
  std::size_t at = text_of(bytes).find(text);
  for (; index > 0 && at != std::string_view::npos; --index) at = text_of(bytes).find(text, at + 1);
  if (at == std::string_view::npos) throw std::runtime_error("not in the file: " + std::string(text));
  return at;
}

/// Writes the checksum of bytes [begin, at) at `at`.
void seal(Bytes& bytes, std::size_t begin, std::size_t at) { put(bytes, at, lookup3(std::span(bytes).subspan(begin, at - begin))); }

// Offsets of superblock fields, versions 0 and 2.
constexpr std::size_t end_of_file_0 = 40;
constexpr std::size_t root_0 = 64;
constexpr std::size_t end_of_file_2 = 28;
constexpr std::size_t checksum_2 = 44;

std::string refusal(const std::string& file, const std::string& path) {
  const Kept kept(file);
  try {
    const auto dataset = kept.root().find_dataset(path);
    if (dataset) dataset->read();
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(file));
    EXPECT_THAT(error.what(), testing::HasSubstr(path));
    return error.what();
  }
  ADD_FAILURE() << path << " of " << file << " was not refused";
  return "";
}

// ---- what h5py writes --------------------------------------------------------------------------------------------

class Hdf5Versions : public testing::TestWithParam<const char*> {
 protected:
  std::string file(const std::string& name) const { return name + "_" + GetParam() + ".h5"; }
};
INSTANTIATE_TEST_SUITE_P(LibraryVersions, Hdf5Versions, testing::Values("earliest", "latest"),
                         [](const auto& version) { return std::string(version.param); });

TEST_P(Hdf5Versions, ReadsNumbersOfEveryType) {
  const Kept kept(file("types"));
  const Hdf5Group types = kept.root().group("types");
  const std::map<std::string, std::pair<FileType, DType>> expected = {
      {"i1", {FileType::i8, DType::i32}},  {"i2", {FileType::i16, DType::i32}}, {"i4", {FileType::i32, DType::i32}},
      {"i8", {FileType::i64, DType::i64}}, {"u1", {FileType::u8, DType::u8}},   {"u2", {FileType::u16, DType::i32}},
      {"u4", {FileType::u32, DType::i64}}, {"u8", {FileType::u64, DType::i64}}, {"f2", {FileType::f16, DType::f32}},
      {"f4", {FileType::f32, DType::f32}}, {"f8", {FileType::f64, DType::f64}}};
  for (const auto& [name, type] : expected) {
    for (const std::string& both : {name, "big_" + name}) {
      const auto dataset = types.find_dataset(both);
      if (!dataset && both.starts_with("big_")) continue;  // kept for some types only
      ASSERT_TRUE(dataset) << both;
      EXPECT_EQ(dataset->type(), type.first) << both;
      EXPECT_EQ(dataset->shape(), Shape({2, 3}));
      const Tensor tensor = dataset->read();
      EXPECT_EQ(tensor.dtype(), type.second) << both;
      EXPECT_EQ(numbers(tensor), counting(6, name[0] == 'u' ? 0 : -3)) << both;
    }
  }
  EXPECT_TRUE(types.is_dataset("big_f4"));
  EXPECT_TRUE(types.is_dataset("big_u8"));
}

TEST_P(Hdf5Versions, ReadsBoolAndBfloat16) {
  const Kept kept(file("types"));
  const Hdf5Group types = kept.root().group("types");
  EXPECT_EQ(types.dataset("bool").type(), FileType::boolean);
  EXPECT_EQ(numbers(types.dataset("bool").read()), (std::vector<double>{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(types.dataset("bf16").type(), FileType::bf16);
  EXPECT_EQ(types.dataset("bf16").read().dtype(), DType::bf16);
  EXPECT_EQ(numbers(types.dataset("bf16").read()), counting(6));
  expect_error<FormatError>([&] { types.dataset("opaque"); }, {file("types"), "/types/opaque", "opaque, of 2 bytes", "bfloat16"});
}

TEST_P(Hdf5Versions, ReadsEveryLayoutAndShape) {
  const Kept kept(file("types"));
  const Hdf5Group types = kept.root().group("types");
  EXPECT_EQ(types.dataset("scalar").shape(), Shape());
  EXPECT_EQ(numbers(types.dataset("scalar").read()), std::vector<double>{2.5});
  EXPECT_EQ(types.dataset("empty").shape(), Shape({0, 3}));
  EXPECT_EQ(types.dataset("empty").read().elements(), 0);
  EXPECT_EQ(numbers(types.dataset("compact").read()), counting(6));
  EXPECT_EQ(numbers(types.dataset("unwritten").read()), std::vector<double>(6, 7.0));
}

TEST_P(Hdf5Versions, ReadsStrings) {
  const Kept kept(file("types"));
  const Hdf5Group types = kept.root().group("types");
  EXPECT_TRUE(types.dataset("vlen").is_text());
  EXPECT_EQ(types.dataset("vlen").texts(), (std::vector<std::string>{"linn", "",
                                                                     "\xc3\xbc"
                                                                     "ber"}));
  EXPECT_EQ(types.dataset("fixed").texts(), (std::vector<std::string>{"linn", "", "abcdef"}));
  EXPECT_EQ(types.dataset("spaces").texts(), (std::vector<std::string>{"ab", "cdefgh"}));
  EXPECT_EQ(types.dataset("one").shape(), Shape());
  EXPECT_EQ(types.dataset("one").texts(), std::vector<std::string>{"text"});
  expect_error<FormatError>([&] { types.dataset("vlen").read(); }, {"/types/vlen", "strings"});
  expect_error<FormatError>([&] { types.dataset("f4").texts(); }, {"/types/f4", "numbers"});
}

TEST_P(Hdf5Versions, ReadsAttributesOfStrings) {
  const Kept kept(file("types"));
  const Hdf5Group group = kept.root().group("attributes");
  EXPECT_EQ(group.attribute("text")->text(), "a \xc3\xbc text");
  EXPECT_EQ(group.attribute("fixed")->text(), "fixed text");
  EXPECT_EQ(group.attribute("ascii")->text(), "plain");
  EXPECT_EQ(group.attribute("list")->texts(), (std::vector<std::string>{"conv2d", "", "dense"}));
  EXPECT_EQ(group.attribute("fixed_list")->texts(), (std::vector<std::string>{"kernel:0", "bias:0"}));
  EXPECT_TRUE(group.attribute("none")->texts().empty());
  EXPECT_EQ(group.attribute("nothing"), std::nullopt);
  EXPECT_TRUE(group.has_attribute("none"));
  EXPECT_FALSE(group.has_attribute("nothing"));
  EXPECT_EQ(group.attribute_names(), (std::vector<std::string>{"ascii", "fixed", "fixed_list", "list", "none", "text"}));
  expect_error<FormatError>([&] { group.attribute("text")->texts(); }, {"/attributes", "\"text\"", "holds a string"});
  expect_error<FormatError>([&] { group.attribute("list")->text(); }, {"/attributes", "\"list\"", "holds a list of strings"});
  expect_error<FormatError>([&] { group.attribute("list")->tensor(); }, {"holds a list of strings; numbers are allowed"});
}

TEST_P(Hdf5Versions, ReadsAttributesOfNumbers) {
  const Kept kept(file("numbers"));
  const Hdf5Group root = kept.root();
  EXPECT_EQ(numbers(root.attribute("int")->tensor()), std::vector<double>{7});
  EXPECT_EQ(root.attribute("int")->tensor().shape(), Shape());
  EXPECT_EQ(root.attribute("float")->tensor().dtype(), DType::f64);
  EXPECT_EQ(numbers(root.attribute("float")->tensor()), std::vector<double>{0.25});
  EXPECT_EQ(numbers(root.attribute("bool")->tensor()), std::vector<double>{1});
  EXPECT_EQ(root.attribute("array")->tensor().shape(), Shape({2, 3}));
  EXPECT_EQ(numbers(root.attribute("array")->tensor()), counting(6));
  expect_error<FormatError>([&] { root.attribute("null"); }, {"attribute \"null\"", "null dataspace"});
  expect_error<FormatError>([&] { root.attribute("array")->text(); }, {"holds numbers; a string is allowed"});
}

TEST_P(Hdf5Versions, FindsByPath) {
  const Kept kept(file("types"));
  const Hdf5Group root = kept.root();
  EXPECT_EQ(root.path(), "/");
  EXPECT_EQ(root.names(), (std::vector<std::string>{"attributes", "deep", "types"}));
  EXPECT_EQ(root.group("deep/er/still").path(), "/deep/er/still");
  EXPECT_EQ(root.group("/deep").group("er").group("still").attribute("name")->text(), "deep");
  EXPECT_EQ(root.dataset("types/f4").path(), "/types/f4");
  EXPECT_TRUE(root.contains("types/f4"));
  EXPECT_TRUE(root.is_group("types"));
  EXPECT_FALSE(root.is_group("types/f4"));
  EXPECT_FALSE(root.is_dataset("types"));
  EXPECT_FALSE(root.contains("types/f5"));
  EXPECT_FALSE(root.find_dataset("types/f4/below"));
  EXPECT_FALSE(root.find_dataset("types"));
  EXPECT_FALSE(root.find_group("types/f4"));
  EXPECT_FALSE(root.find_group(""));
  EXPECT_FALSE(root.find_group("types//f4"));
  expect_error<FormatError>([&] { root.group("deep/down"); }, {file("types"), "\"/\"", "has no group \"deep/down\""});
  expect_error<FormatError>([&] { root.group("deep").dataset("down"); }, {"\"/deep\"", "has no dataset \"down\""});
}

TEST_P(Hdf5Versions, ReadsChunks) {
  const Kept kept(file("chunks"));
  for (const std::string& name : kept.root().names()) {
    const Hdf5Dataset dataset = kept.root().dataset(name);
    if (name == "texts") {
      EXPECT_EQ(dataset.texts(), (std::vector<std::string>{"text 0", "text 1", "text 2", "text 3", "text 4"}));
    } else if (name == "three") {
      EXPECT_EQ(dataset.shape(), Shape({3, 4, 5}));
      EXPECT_EQ(numbers(dataset.read()), counting(60));
    } else if (name == "sparse") {
      std::vector<double> expected(35, 9.0);
      for (const int row : {2, 3})
        for (const int column : {3, 4, 5}) expected[static_cast<std::size_t>(row * 7 + column)] = row * 7 + column;
      EXPECT_EQ(numbers(dataset.read()), expected);
    } else {
      EXPECT_EQ(dataset.shape(), Shape({5, 7})) << name;
      EXPECT_EQ(numbers(dataset.read()), counting(35)) << name;
    }
  }
  const std::vector<std::string> latest = {"implicit",       "single",           "single_filtered",
                                           "bounded",        "bounded_filtered", "growing",
                                           "growing_second", "growing_both",     "growing_both_filtered"};
  for (const std::string& name : latest) EXPECT_EQ(kept.root().contains(name), file("chunks") == "chunks_latest.h5") << name;
}

TEST(Hdf5, ReadsIndexesOfManyNodes) {
  EXPECT_EQ(numbers(Kept("indexes_earliest.h5").root().dataset("tree").read()), counting(140));
  const Kept latest("indexes_latest.h5");
  EXPECT_EQ(numbers(latest.root().dataset("array").read()), counting(140));
  EXPECT_EQ(numbers(latest.root().dataset("growing").read()), counting(250));
  EXPECT_EQ(numbers(latest.root().dataset("both").read()), counting(150));
}

TEST(Hdf5, ReadsChunksOfVersion2) {
  const Kept kept("filtered_v200.h5");
  EXPECT_EQ(kept.root().names(), (std::vector<std::string>{"both", "fixed", "one", "single"}));
  for (const std::string& name : kept.root().names()) EXPECT_EQ(numbers(kept.root().dataset(name).read()), counting(35)) << name;
}

TEST(Hdf5, ReadsPagesOfArrays) {
  std::vector<double> expected(1200, 0.0);
  for (const double value : counting(100)) expected.push_back(value);
  EXPECT_EQ(numbers(Kept("pages_latest.h5").root().dataset("pages").read()), expected);
  expected.assign(69'990, 0.0);
  for (const double value : counting(10)) expected.push_back(value);
  EXPECT_EQ(numbers(Kept("late_latest.h5").root().dataset("late").read()), expected);
}

TEST(Hdf5, ReadsManyLinksAndAttributes) {
  for (const char* name : {"many_earliest.h5", "many_latest.h5"}) {
    const Kept kept(name);
    const auto names = kept.root().group("soft").names();
    EXPECT_EQ(names.size(), 150u) << name;
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << name;
    for (int i = 0; i < 12; ++i) {
      EXPECT_EQ(numbers(kept.root().dataset(fmt::format("group/entry_{}", i)).read()), std::vector<double>{i * 1.0}) << name;
      const auto attribute = kept.root().group("attributes").attribute(fmt::format("attribute_{}", i));
      EXPECT_EQ(numbers(attribute->tensor()), std::vector<double>{i * 1.0}) << name;
    }
    EXPECT_EQ(kept.root().group("attributes").attribute("long")->texts(), std::vector<std::string>(100, std::string(50, 'x')));
    EXPECT_EQ(kept.root().group("attributes").attribute_names().size(), 13u);
  }
}

TEST(Hdf5, KeepsTheOrderOfCreation) {
  const Kept kept("many_ordered.h5");
  EXPECT_EQ(kept.root().names(), (std::vector<std::string>{"group", "soft", "attributes"}));
  std::vector<std::string> entries;
  std::vector<std::string> soft;
  std::vector<std::string> attributes;
  for (int i = 0; i < 12; ++i) entries.push_back(fmt::format("entry_{}", i));
  for (int i = 60; i-- > 0;) soft.push_back(fmt::format("s{}", i));
  for (int i = 0; i < 12; ++i) attributes.push_back(fmt::format("attribute_{}", i));
  attributes.emplace_back("long");
  EXPECT_EQ(kept.root().group("group").names(), entries);
  EXPECT_EQ(kept.root().group("soft").names(), soft);
  EXPECT_EQ(kept.root().group("attributes").attribute_names(), attributes);
}

TEST(Hdf5, ReadsEveryVersionOfTheLibrary) {
  for (const char* version : {"earliest", "v108", "v110", "latest"}) {
    const Kept kept(fmt::format("whole_{}.h5", version));
    EXPECT_EQ(kept.root().attribute("name")->text(), "linn");
    const Hdf5Group group = kept.root().group("group");
    EXPECT_EQ(group.attribute("list")->texts(), (std::vector<std::string>{"a", "bc"}));
    EXPECT_EQ(numbers(group.dataset("plain").read()), counting(4));
    EXPECT_EQ(numbers(group.dataset("chunks").read()), counting(6));
  }
}

TEST(Hdf5, HandlesOutliveTheFileObject) {
  const Bytes bytes = slurp(kept("io", "whole_latest.h5"));
  std::optional<Hdf5Dataset> dataset;
  {
    const Hdf5File file(bytes, "some.h5");
    dataset = file.root().find_dataset("group/plain");
  }
  EXPECT_EQ(numbers(dataset->read()), counting(4));
}

TEST(Hdf5, ThreadsReadAtOnce) {
  for (const char* name : {"many_earliest.h5", "types_latest.h5"}) {
    const Kept kept(name);
    std::array<std::size_t, 4> found{};
    std::vector<std::thread> threads;
    for (std::size_t& count : found)
      threads.emplace_back([&] {
        for (const std::string& group : kept.root().names())
          for (const std::string& entry : kept.root().group(group).names()) {
            if (entry.starts_with("s") || entry == "opaque") continue;  // soft links, and a type that is refused
            const auto dataset = kept.root().group(group).find_dataset(entry);
            if (dataset) count += dataset->is_text() ? dataset->texts().size() : dataset->read().bytes();
          }
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_GT(found[0], 0u);
    for (const std::size_t count : found) EXPECT_EQ(count, found[0]);
  }
}

// ---- what is refused: faults.md 3, 4, 8, 9 and the CVEs of Keras ---------------------------------------------------

TEST_P(Hdf5Versions, RefusesSoftLinks) {
  EXPECT_THAT(refusal(file("refused"), "/soft"), testing::HasSubstr("is a soft link; hard links are allowed"));
}

TEST_P(Hdf5Versions, RefusesExternalLinks) {
  EXPECT_THAT(refusal(file("refused"), "/external"), testing::HasSubstr("is an external link; hard links are allowed"));
}

TEST_P(Hdf5Versions, RefusesExternalStorage) {
  EXPECT_THAT(refusal(file("refused"), "/external_storage"), testing::HasSubstr("its data lie in other files"));
}

TEST_P(Hdf5Versions, RefusesAGroupInsideItself) {
  EXPECT_THAT(refusal(file("refused"), "/cycle/inside"), testing::HasSubstr("so that it contains itself"));
  const Kept kept(file("refused"));
  expect_error<FormatError>([&] { kept.root().find_group("cycle/inside/inside/inside"); }, {"so that it contains itself"});
}

TEST_P(Hdf5Versions, RefusesASecondLinkToADataset) {
  const Kept kept(file("refused"));
  EXPECT_NO_THROW(kept.root().dataset("fine").read());
  EXPECT_NO_THROW(kept.root().dataset("fine").read());  // by the same path as often as one likes
  expect_error<FormatError>([&] { kept.root().dataset("twice/fine"); }, {"\"/fine\" and \"/twice/fine\" are the same object"});
}

TEST_P(Hdf5Versions, RefusesASharedType) {
  EXPECT_THAT(refusal(file("refused"), "/shared_type"), testing::HasSubstr("is shared with another object"));
}

TEST_P(Hdf5Versions, LeavesTypesAlone) {
  const Kept kept(file("refused"));
  EXPECT_TRUE(kept.root().contains("type"));
  EXPECT_FALSE(kept.root().is_dataset("type"));
  EXPECT_FALSE(kept.root().is_group("type"));
}

TEST(Hdf5, RefusesVirtualDatasets) { EXPECT_THAT(refusal("refused_latest.h5", "/virtual"), testing::HasSubstr("is a virtual dataset")); }

TEST(Hdf5, RefusesUnknownFilters) { EXPECT_THAT(refusal("refused_latest.h5", "/lzf"), testing::HasSubstr("the filter 32000 \"lzf\"")); }

TEST(Hdf5, RefusesTypesWithoutATensor) {
  const std::map<std::string, std::string> expected = {{"compound", "have the type compound"},
                                                       {"complex", "have the type compound"},
                                                       {"array", "have the type array"},
                                                       {"reference", "have the type reference"},
                                                       {"sequence", "sequences of variable length"},
                                                       {"enumeration", "are an enumeration"},
                                                       {"bitfield", "have the type bitfield"},
                                                       {"time", "have the type time"},
                                                       {"nine_axes", "has 9 axes; at most 8"},
                                                       {"null", "null dataspace"}};
  for (const auto& [name, message] : expected) EXPECT_THAT(refusal("refused_latest.h5", "/" + name), testing::HasSubstr(message));
}

TEST(Hdf5, RefusesATebibyteThatIsNotThere) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(refusal("refused_latest.h5", "/tebibyte"), testing::HasSubstr("none of its data are in the file"));
  EXPECT_THAT(refusal("refused_latest.h5", "/tebibyte_chunks"), testing::HasSubstr("its chunks have 0 bytes in the file"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(200));
}

TEST(Hdf5, RefusesBombs) {
  EXPECT_THAT(refusal("refused_latest.h5", "/bomb"), testing::HasSubstr("67108864 bytes, but its chunks have 1039 bytes in the file"));
  EXPECT_THAT(refusal("refused_latest.h5", "/huge_chunk"), testing::HasSubstr("12 bytes inflates to 2147483648"));
}

TEST(Hdf5, RefusesMoreStringsThanBytes) {
  const Kept kept("refused_latest.h5");
  expect_error<FormatError>([&] { kept.root().dataset("many_texts").texts(); }, {"\"/many_texts\"", "1048576 strings; 65536 are allowed"});
}

TEST(Hdf5, RefusesUserDefinedLinks) {
  Bytes bytes = slurp(kept("io", "refused_latest.h5"));
  // The header of the group "links" holds the only link to other.h5: version, flags, type, size of the name, name.
  const std::size_t name = find(bytes, "other.h5") - std::string_view("external???").size();
  ASSERT_EQ(text_of(bytes).substr(name, 8), "external");
  ASSERT_EQ(get<std::uint8_t>(bytes, name - 2), 64);
  put(bytes, name - 2, std::uint8_t{200});
  const std::size_t header = text_of(bytes).rfind("OHDR", name);
  ASSERT_EQ(get<std::uint8_t>(bytes, header + 5) & 0x33, 0x20);  // with times, and one byte of size
  seal(bytes, header, header + 23 + get<std::uint8_t>(bytes, header + 22));
  const Hdf5File file(bytes, "some.h5");
  expect_error<FormatError>([&] { file.root().find_group("links/external"); },
                            {"some.h5", "\"/links/external\"", "is a user-defined link"});
}

TEST(Hdf5, RefusesAUserBlock) {
  expect_error<FormatError>([] { Kept("user_block.h5"); }, {"user_block.h5", "user block", "not supported"});
}

TEST(Hdf5, RefusesWhatIsNoHdf5) {
  expect_error<FormatError>([] { Hdf5File({}, "some.h5"); }, {"some.h5", "truncated at offset 0"});
  expect_error<FormatError>([] { Hdf5File(test::bytes("PK\x03\x04 and more"), "some.h5"); }, {"some.h5", "is no HDF5 file", "PK"});
  Bytes bytes = slurp(kept("io", "whole_earliest.h5"));
  put(bytes, 8, std::uint8_t{4});
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"superblock has the version 4; 0 to 3 are known"});
}

TEST(Hdf5, RefusesADamagedChecksum) {
  Bytes bytes = slurp(kept("io", "whole_latest.h5"));
  bytes[12] ^= std::byte{1};  // of the superblock
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"some.h5", "superblock is damaged"});
  bytes = slurp(kept("io", "whole_latest.h5"));
  bytes[find(bytes, "OHDR") + 8] ^= std::byte{1};
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"the object header is damaged"});
}

// What many_latest.h5 holds that can be read: links and attributes in heaps and trees.
void walk_many(const Bytes& bytes) {
  const Hdf5File file(bytes, "some.h5");
  for (int i = 0; i < 12; ++i) file.root().dataset(fmt::format("group/entry_{}", i));
  file.root().group("soft").names();
  walk(file.root().group("attributes"));
}

// A bit of each block that ends with a checksum: what it holds must not be used.
TEST(Hdf5, RefusesADamagedBlockOfEveryKind) {
  const auto everything = [](const Bytes& bytes) { walk(bytes); };
  std::map<std::string, int> blocks;  // that were found out
  for (const auto& [name, read] : {std::pair<const char*, std::function<void(const Bytes&)>>{"many_latest.h5", walk_many}, {"chunks_latest.h5", everything},
                                   {"indexes_latest.h5", everything}, {"pages_latest.h5", everything}}) {
    Bytes bytes = slurp(kept("io", name));
    read(bytes);
    for (const std::string_view signature : {"OHDR", "FRHP", "FHIB", "BTHD", "BTIN", "BTLF", "FAHD", "FADB", "EAHD", "EAIB", "EASB", "EADB"})
      for (std::size_t at = text_of(bytes).find(signature); at != std::string_view::npos; at = text_of(bytes).find(signature, at + 1)) {
        const std::size_t inside = at + 20;  // behind signature, version, client, address and place in a heap: of an array's block the first element
        bytes[inside] ^= std::byte{1};
        try {
          read(bytes);  // some indexes, such as that by creation, are not read
        } catch (const FormatError& error) {
          EXPECT_THAT(error.what(), testing::HasSubstr("damaged")) << signature << " at " << at << " of " << name;
          ++blocks[std::string(signature)];
        }
        bytes[inside] ^= std::byte{1};
      }
  }
  EXPECT_EQ(blocks.size(), 12U) << testing::PrintToString(blocks);
}

// Fields of the headers of arrays and trees in turn, with a checksum that is right.
TEST(Hdf5, RefusesHeadersOfIndexesThatCannotBe) {
  struct Wrong {
    std::string_view signature;
    std::size_t field;
    std::uint8_t value;
    std::string says;
  };
  constexpr std::size_t fixed_bytes = 24, extensible_bytes = 68, tree_bytes = 34;
  const Wrong all[] = {{"FAHD", 5, 1, "the fixed array is for filtered chunks"},
                       {"FAHD", 6, 9, "the fixed array has elements of 9 bytes"},
                       {"FAHD", 7, 63, "pages of the fixed array have 2^63 elements"},
                       {"BTHD", 6, 10, "B-tree nodes of 10 bytes cannot hold records of"},
                       {"EAHD", 5, 1, "the extensible array is for filtered chunks"},
                       {"EAHD", 7, 65, "the extensible array has 65 bits"},
                       {"EAHD", 9, 3, "blocks of 3 elements"},
                       {"EAHD", 10, 3, "and 3 pointers"},
                       {"EAHD", 11, 63, "which cannot be"}};
  for (const Wrong& wrong : all) {
    Bytes bytes = slurp(kept("io", "indexes_latest.h5"));
    const std::size_t head = find(bytes, wrong.signature);
    put(bytes, head + wrong.field, wrong.value);
    if (wrong.signature == "BTHD") put(bytes, head + 7, std::uint8_t{0});  // the second byte of its size
    seal(bytes, head, head + (wrong.signature == "FAHD" ? fixed_bytes : wrong.signature == "BTHD" ? tree_bytes : extensible_bytes));
    expect_error<FormatError>([&] { walk(bytes); }, {"some.h5", wrong.says});
  }
}

// A link of a tree's leaf lies far behind the blocks of its heap.
TEST(Hdf5, RefusesAnObjectOutsideItsHeap) {
  const Bytes whole = slurp(kept("io", "many_latest.h5"));
  constexpr std::size_t first_record = 6, record = 11, heap_offset = 5;  // a hash, the kind of the identifier, its offset and length
  int outside = 0;
  for (std::size_t leaf = text_of(whole).find("BTLF"); leaf != std::string_view::npos; leaf = text_of(whole).find("BTLF", leaf + 1)) {
    if (get<std::uint8_t>(whole, leaf + 5) != 5) continue;  // of links by name
    std::size_t end = leaf + first_record;
    while (lookup3(std::span(whole).subspan(leaf, end - leaf)) != get<std::uint32_t>(whole, end)) end += record;
    Bytes bytes = whole;
    put(bytes, leaf + first_record + heap_offset, std::uint32_t{1} << 28);
    seal(bytes, leaf, end);
    const std::string said = tests::message_of<FormatError>([&] { walk_many(bytes); });
    if (said.find("an object lies at offset 268435456 of the fractal heap") != std::string::npos) ++outside;
  }
  EXPECT_GE(outside, 3);
}

TEST(Hdf5, RefusesAShapeThatOverflows) {
  Hdf5Writer writer;
  const std::vector<float> values(6);
  writer.dataset("x", Tensor::from(values, {1, 2, 3}));
  Bytes bytes = written(writer);
  const std::size_t sizes = find(bytes, std::string_view("\1\3\1\0\0\0\0\0", 8)) + 8;
  for (int i = 0; i < 2; ++i) {  // current and largest sizes
    put(bytes, sizes + 24 * static_cast<std::size_t>(i), std::uint64_t{4194305});
    put(bytes, sizes + 24 * static_cast<std::size_t>(i) + 8, std::uint64_t{4194305});
    put(bytes, sizes + 24 * static_cast<std::size_t>(i) + 16, std::uint64_t{211106198978564});
  }
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5").root().dataset("x"); }, {"some.h5", "\"/x\"", "overflow"});
}

TEST(Hdf5, RefusesATreeThatContainsItself) {
  Bytes bytes = slurp(kept("io", "many_earliest.h5"));
  // The tree of the group "soft" has two levels.
  std::size_t node = 0;
  for (int i = 0; get<std::uint8_t>(bytes, node + 5) != 1 || text_of(bytes).substr(node, 4) != "TREE"; ++i) node = find(bytes, "TREE", i);
  put(bytes, node + 32, std::uint64_t{node});
  const Hdf5File file(bytes, "some.h5");
  expect_error<FormatError>([&] { file.root().group("soft"); }, {"some.h5", "\"/soft\"", "B-tree node at level 1; 0 was expected"});
}

TEST(Hdf5, RefusesATreeWhoseChildrenAreOne) {
  Hdf5Writer writer;
  for (int i = 0; i < 2000; ++i) writer.group(fmt::format("g{:04}", i));
  Bytes bytes = written(writer);
  // The last tree node is the root's. All its children become the first.
  const std::size_t node = text_of(bytes).rfind("TREE");
  const auto count = get<std::uint16_t>(bytes, node + 6);
  ASSERT_EQ(count, 8);
  for (std::size_t i = 1; i < count; ++i) put(bytes, node + 32 + 16 * i, get<std::uint64_t>(bytes, node + 32));
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"some.h5", "has two links named \"g0000\""});
}

TEST(Hdf5, RefusesAHeaderThatContinuesInItself) {
  Bytes bytes = slurp(kept("io", "whole_earliest.h5"));
  const auto root = static_cast<std::size_t>(get<std::uint64_t>(bytes, root_0));
  ASSERT_EQ(get<std::uint16_t>(bytes, root + 16), 0x10);  // the first message is a continuation
  put(bytes, root + 24, std::uint64_t{root + 16});
  put(bytes, root + 32, std::uint64_t{24});
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"some.h5", "its header refers to itself"});
}

TEST(Hdf5, RefusesAnIndexOfChunksThatContainsItself) {
  Bytes bytes = slurp(kept("io", "indexes_earliest.h5"));
  std::size_t node = 0;
  for (int i = 0; get<std::uint16_t>(bytes, node + 4) != 0x0101 || text_of(bytes).substr(node, 4) != "TREE"; ++i)
    node = find(bytes, "TREE", i);
  put(bytes, node + 24 + 24, std::uint64_t{node});  // behind a key of 24 bytes
  const Hdf5File file(bytes, "some.h5");
  expect_error<FormatError>([&] { file.root().dataset("tree").read(); }, {"\"/tree\"", "B-tree node at level 1; 0 was expected"});
}

TEST(Hdf5, RefusesChunksInOnePlace) {
  Bytes bytes = slurp(kept("io", "indexes_earliest.h5"));
  std::size_t node = 0;
  for (int i = 0; get<std::uint16_t>(bytes, node + 4) != 0x0001 || text_of(bytes).substr(node, 4) != "TREE"; ++i)
    node = find(bytes, "TREE", i);
  put(bytes, node + 24 + 32 + 8, get<std::uint64_t>(bytes, node + 24 + 8));
  const Hdf5File file(bytes, "some.h5");
  expect_error<FormatError>([&] { file.root().dataset("tree").read(); }, {"\"/tree\"", "has two chunks in place"});
}

TEST(Hdf5, RefusesDamagedHeapsOfNames) {
  const Bytes whole = slurp(kept("io", "whole_earliest.h5"));
  const std::size_t heap = find(whole, "HEAP");
  Bytes bytes = whole;
  put(bytes, heap + 8, std::uint64_t{1} << 62);
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"some.h5", "\"/\"", "truncated"});
  bytes = whole;
  put(bytes, heap + 8, std::uint64_t{9});  // ends within a name
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"name in the local heap does not end"});
  bytes = whole;
  put(bytes, find(bytes, "SNOD") + 8, std::uint64_t{1} << 62);
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"of the local heap, which has"});
}

TEST(Hdf5, RefusesNamesThatArePaths) {
  Bytes bytes = slurp(kept("io", "whole_earliest.h5"));
  put(bytes, find(bytes, std::string_view("group\0", 6)), '/');
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5"); }, {"link named \"/roup\""});
}

TEST(Hdf5, RefusesDamagedGlobalHeaps) {
  const Bytes whole = slurp(kept("io", "whole_earliest.h5"));
  const std::size_t heap = find(whole, "GCOL");
  const auto read = [](const Bytes& bytes) { return Hdf5File(bytes, "some.h5").root().attribute("name"); };
  Bytes bytes = whole;
  put(bytes, heap + 8, ~std::uint64_t{0});
  expect_error<FormatError>([&] { read(bytes); }, {"\"/\": attribute \"name\"", "truncated at offset 2048"});
  bytes = whole;
  put(bytes, heap + 16, std::uint16_t{77});  // no object 1 any more
  expect_error<FormatError>([&] { read(bytes); }, {"object 1 of the global heap", "which does not have it"});
  bytes = whole;
  put(bytes, heap + 24, std::uint64_t{1});  // the object is shorter than the string
  expect_error<FormatError>([&] { read(bytes); }, {"a string of 4 bytes", "which has 1"});
}

TEST(Hdf5, RefusesTextsThatShareOneString) {
  // A list of strings all in one long string takes more bytes than the file has.
  Hdf5Writer writer;
  writer.attribute("/", "list", std::vector<std::string>(1000, std::string(1000, 'x')));
  writer.attribute("/", "one", std::string(60'000, 'y'));
  Bytes bytes = written(writer);
  // Elements of the list: 1000, heap, object. All point to the long string.
  const std::string_view one("\x60\xea\0\0", 4);
  const std::size_t element = text_of(bytes).rfind(one);
  std::size_t at = text_of(bytes).rfind("list") + 8;
  while (get<std::uint32_t>(bytes, at) != 1000 || get<std::uint32_t>(bytes, at + 12) != 1) ++at;
  for (std::size_t i = 0; i < 1000; ++i) std::memcpy(bytes.data() + at + 16 * i, bytes.data() + element, 16);
  const Hdf5File file(bytes, "some.h5");
  EXPECT_EQ(file.root().attribute("one")->text(), std::string(60'000, 'y'));
  expect_error<FormatError>([&] { file.root().attribute("list"); }, {"attribute \"list\"", "list of strings refers to itself"});
}

TEST(Hdf5, RefusesDatasetsThatShareTheirData) {
  Hdf5Writer writer;
  for (int i = 0; i < 10; ++i) writer.dataset(fmt::format("x{}", i), Tensor::from(std::vector<float>(1000), {1000}));
  Bytes bytes = written(writer);
  // Each layout message is version 3, contiguous, address, size.
  const std::string layout = {'\x03', '\x01'};
  const std::size_t first = find(bytes, "HEAP");
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < first; ++at)
    if (text_of(bytes).substr(at, 2) == layout && get<std::uint64_t>(bytes, at + 10) == 4000) places.push_back(at + 2);
  ASSERT_EQ(places.size(), 10u);
  const auto all = [&] {
    const Hdf5File file(bytes, "some.h5");
    for (const std::string& name : file.root().names()) file.root().dataset(name).read();
  };
  EXPECT_NO_THROW(all());
  const Hdf5File file(bytes, "some.h5");
  for (int i = 0; i < 20; ++i) file.root().dataset("x0").read();  // the same one counts once
  put(bytes, end_of_file_0, std::uint64_t{get<std::uint64_t>(bytes, places[0]) + 4000});
  for (const std::size_t at : places) put(bytes, at, get<std::uint64_t>(bytes, places[0]));
  expect_error<FormatError>([&] { all(); }, {"some.h5", "\"/x", "overlaps other objects: together they have more bytes than the file"});
}

TEST(Hdf5, RefusesADamagedFractalHeap) {
  const Bytes whole = slurp(kept("io", "many_latest.h5"));
  const std::size_t block = find(whole, "FHDB");
  Bytes bytes = whole;
  bytes[block + 30] ^= std::byte{1};
  expect_error<FormatError>([&] { walk(bytes); }, {"some.h5", "a direct block is damaged"});
  bytes = whole;
  put(bytes, block + 5, std::uint64_t{0});
  expect_error<FormatError>([&] { walk(bytes); }, {"of another place or another fractal heap"});
  // An indirect block that names itself as a direct one.
  bytes = whole;
  const std::size_t indirect = find(bytes, "FHIB");
  put(bytes, indirect + 17, std::uint64_t{indirect});
  const std::size_t heap = static_cast<std::size_t>(get<std::uint64_t>(bytes, indirect + 5));
  const auto rows = get<std::uint16_t>(bytes, heap + 140);
  seal(bytes, indirect, indirect + 17 + rows * 4 * 8);
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5").root().group("soft"); },
                            {"\"/soft\"", "a block of the fractal heap has two places"});
}

TEST(Hdf5, LimitsDepthAndLinksAndAttributes) {
  Hdf5Writer writer;
  writer.group("a/b/c");
  for (int i = 0; i < 10; ++i) writer.attribute("a", fmt::format("x{}", i), std::int64_t{i});
  const Bytes bytes = written(writer);
  Hdf5Limits limits;
  limits.depth = 2;
  const Hdf5File shallow(bytes, "some.h5", limits);
  EXPECT_NO_THROW(shallow.root().group("a/b"));
  expect_error<FormatError>([&] { shallow.root().group("a/b/c"); }, {"\"/a/b/c\"", "3 groups deep; 2 are allowed"});
  limits = {};
  limits.links = 2;
  const Hdf5File few(bytes, "some.h5", limits);
  EXPECT_NO_THROW(few.root().group("a"));
  expect_error<FormatError>([&] { few.root().group("a/b"); }, {"more than 2 links"});
  limits = {};
  limits.attributes = 9;
  expect_error<FormatError>([&] { Hdf5File(bytes, "some.h5", limits).root().group("a").attribute_names(); },
                            {"\"/a\"", "more than 9 attributes"});
}

// ---- damage at every place ---------------------------------------------------------------------------------------

TEST(Hdf5, EveryTruncationFails) {
  for (const char* name : {"whole_earliest.h5", "whole_latest.h5"})
    test::every_truncation_fails(slurp(kept("io", name)), [](std::span<const std::byte> part) { walk(part); });
}

/// The end of the file is noted in the superblock; here it is made to agree, so that what lies behind must notice.
TEST(Hdf5, EveryTruncationWithAnEndThatAgreesIsBounded) {
  for (const char* name : {"whole_earliest.h5", "whole_latest.h5"}) {
    const Bytes whole = slurp(kept("io", name));
    const auto expected = walk(whole);
    for (std::size_t size = 96; size < whole.size(); ++size) {
      Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      if (std::string_view(name) == "whole_earliest.h5") {
        put(part, end_of_file_0, std::uint64_t{size});
      } else {
        put(part, end_of_file_2, std::uint64_t{size});
        seal(part, 0, checksum_2);
      }
      try {
        EXPECT_EQ(walk(part), expected) << name << " cut at " << size;
      } catch (const FormatError&) {
      }
    }
  }
}

/// Damaged bytes give the shapes of the whole file, or an error.
void expect_same_shapes(std::span<const std::byte> bytes, const std::map<std::string, Shape>& expected) {
  for (const auto& [path, shape] : walk(bytes))
    if (const auto found = expected.find(path); found != expected.end()) {
      EXPECT_EQ(shape, found->second) << path;
    }
}

TEST(Hdf5, ABitFlipInEverySecondByte) {
  for (const char* name : {"whole_earliest.h5", "whole_latest.h5"}) {
    Bytes bytes = slurp(kept("io", name));
    const auto expected = walk(bytes);
    ASSERT_EQ(expected.size(), 2u);
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
      SCOPED_TRACE(fmt::format("{}: byte {}", name, i));
      bytes[i] ^= static_cast<std::byte>(1u << (i / 2 * 5 % 8));
      try {
        expect_same_shapes(bytes, expected);
      } catch (const Error&) {
      }
      bytes[i] ^= static_cast<std::byte>(1u << (i / 2 * 5 % 8));
    }
  }
}

TEST(Hdf5, FullEveryBitFlip) {
  for (const char* name : {"whole_earliest.h5", "whole_latest.h5"}) {
    const Bytes whole = slurp(kept("io", name));
    const auto expected = walk(whole);
    const std::size_t thrown = test::every_bit_flip(whole, [&](std::span<const std::byte> bytes) { expect_same_shapes(bytes, expected); });
    EXPECT_GT(thrown, whole.size() / 10);
  }
}

// ---- the writer --------------------------------------------------------------------------------------------------

TEST(Hdf5Writer, WritesTheEmptyFile) {
  Hdf5Writer writer;
  const Bytes bytes = written(writer);
  const Hdf5File file(bytes, "some.h5");
  EXPECT_TRUE(file.root().names().empty());
  EXPECT_TRUE(file.root().attribute_names().empty());
}

TEST(Hdf5Writer, WritesEveryKindOfAttribute) {
  Hdf5Writer writer;
  writer.group("a/b");
  writer.attribute("/", "text", "linn");
  writer.attribute("/", "text", "linn \xc3\xbc");  // replaces the first
  writer.attribute("a", "empty", "");
  writer.attribute("a", "long", std::string(200'000, 'x'));
  writer.attribute("a/b", "list", std::vector<std::string>{"conv2d", "", "dense"});
  writer.attribute("a/b", "none", std::vector<std::string>{});
  writer.attribute("a/b", "whole", std::int64_t{-7});
  writer.attribute("a/b", "real", 0.25);
  const Bytes bytes = written(writer);
  const Hdf5File file(bytes, "some.h5");
  EXPECT_EQ(file.root().attribute("text")->text(), "linn \xc3\xbc");
  EXPECT_EQ(file.root().group("a").attribute("empty")->text(), "");
  EXPECT_EQ(file.root().group("a").attribute("long")->text(), std::string(200'000, 'x'));
  const Hdf5Group group = file.root().group("a/b");
  EXPECT_EQ(group.attribute("list")->texts(), (std::vector<std::string>{"conv2d", "", "dense"}));
  EXPECT_TRUE(group.attribute("none")->texts().empty());
  EXPECT_EQ(group.attribute("whole")->tensor().dtype(), DType::i64);
  EXPECT_EQ(numbers(group.attribute("whole")->tensor()), std::vector<double>{-7});
  EXPECT_EQ(numbers(group.attribute("real")->tensor()), std::vector<double>{0.25});
}

TEST(Hdf5Writer, WritesEveryType) {
  Hdf5Writer writer;
  const std::vector<FileType> types = {FileType::boolean, FileType::u8,  FileType::u16, FileType::u32, FileType::u64,
                                       FileType::i8,      FileType::i16, FileType::i32, FileType::i64, FileType::f16,
                                       FileType::bf16,    FileType::f32, FileType::f64};
  const std::vector<std::byte> zeros(8 * 6);
  for (const FileType type : types)
    writer.dataset(fmt::format("t{}", static_cast<int>(type)), type, {2, 3}, std::span(zeros).first(6 * size_of(type)));
  const Bytes bytes = written(writer);
  const Hdf5File file(bytes, "some.h5");
  for (const FileType type : types) {
    const Hdf5Dataset dataset = file.root().dataset(fmt::format("t{}", static_cast<int>(type)));
    EXPECT_EQ(dataset.type(), type);
    EXPECT_EQ(numbers(dataset.read()), std::vector<double>(6, 0.0));
  }
  EXPECT_EQ(file.root().dataset(fmt::format("t{}", static_cast<int>(FileType::bf16))).attribute("dtype")->text(), "bfloat16");
}

TEST(Hdf5Writer, WritesManyEntries) {
  for (const int count : {0, 1, 8, 9, 256, 257, 2000}) {
    Hdf5Writer writer;
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
      names.push_back(fmt::format("layer_{}", i));
      writer.dataset("layers/" + names.back(), Tensor::from(std::vector<std::int32_t>{i}, {}));
    }
    writer.group("layers");
    const Bytes bytes = written(writer);
    const Hdf5File file(bytes, "some.h5");
    std::sort(names.begin(), names.end());
    EXPECT_EQ(file.root().group("layers").names(), names);
    for (int i = 0; i < count; ++i)
      EXPECT_EQ(numbers(file.root().dataset(fmt::format("layers/layer_{}", i)).read()), std::vector<double>{i * 1.0});
  }
}

TEST(Hdf5Writer, WritesManyStrings) {
  Hdf5Writer writer;
  std::vector<std::string> texts;
  for (int i = 0; i < 3900; ++i) texts.push_back(fmt::format("{:0{}}", i, i % 40 + 1));
  for (int i = 0; i < 20; ++i) writer.attribute("/", fmt::format("list{}", i), texts);  // more than one heap can count
  const Bytes bytes = written(writer);
  const Hdf5File file(bytes, "some.h5");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(file.root().attribute(fmt::format("list{}", i))->texts(), texts);
}

TEST(Hdf5Writer, SameContentSameBytes) {
  const Tensor tensor = Tensor::from(std::vector<float>{1, 2, 3}, {3});
  Hdf5Writer one;
  one.group("b");
  one.dataset("a/x", tensor);
  one.attribute("b", "p", "1");
  one.attribute("b", "q", "2");
  Hdf5Writer other;
  other.dataset("a/x", tensor.clone());
  other.group("b");
  other.attribute("b", "q", "2");
  other.attribute("b", "p", "1");
  EXPECT_EQ(written(one), written(other));
  EXPECT_EQ(written(one), written(one));
}

TEST(Hdf5Writer, SharesTheElements) {
  const Tensor tensor = Tensor::from(std::vector<float>(1000, 1.0f), {1000});
  Hdf5Writer writer;
  writer.dataset("x", tensor);
  bool found = false;
  for (const auto part : writer.parts()) found = found || part.data() == static_cast<const std::byte*>(tensor.raw());
  EXPECT_TRUE(found);
}

TEST(Hdf5Writer, RefusesWhatCannotBe) {
  Hdf5Writer writer;
  const Tensor tensor = Tensor::from(std::vector<float>{1}, {});
  writer.dataset("a/x", tensor);
  expect_error<ValueError>([&] { writer.dataset("a/x", tensor); }, {"\"a/x\"", "is taken"});
  expect_error<ValueError>([&] { writer.dataset("a", tensor); }, {"\"a\"", "is taken"});
  expect_error<ValueError>([&] { writer.dataset("", tensor); }, {"needs a name"});
  expect_error<ValueError>([&] { writer.group("a/x/b"); }, {"\"x\"", "is a dataset"});
  expect_error<ValueError>([&] { writer.group("a//b"); }, {"\"a//b\"", "\"\""});
  expect_error<ValueError>([&] { writer.group("a/./b"); }, {"\".\""});
  expect_error<ValueError>([&] { writer.group(std::string_view("a\0b", 3)); }, {"NUL"});
  std::string deep = "a";
  for (int i = 0; i < 64; ++i) deep += "/a";
  expect_error<ValueError>([&] { writer.group(deep); }, {"65 names; at most 64"});
  expect_error<ValueError>([&] { writer.attribute("nothing", "x", "y"); }, {"\"nothing\""});
  expect_error<ValueError>([&] { writer.attribute("a", "", "y"); }, {"no good name"});
  expect_error<ValueError>([&] { writer.attribute("a", "x", std::string("a\0b", 3)); }, {"NUL"});
  expect_error<ValueError>([&] { writer.attribute("a", "x", std::vector<std::string>(5000, "y")); }, {"5000 strings", "64 KiB"});
  const std::vector<std::byte> bytes(5);
  expect_error<ValueError>([&] { writer.dataset("y", FileType::f32, {2}, bytes); }, {"5 bytes", "\"y\"", "needs 8"});
}

// ---- round trips -------------------------------------------------------------------------------------------------

struct RandomTree {
  std::map<std::string, Tensor> datasets;
  std::set<std::string> groups;
  std::map<std::string, std::string> texts;  // the attribute "text" of a group or dataset
};

Tensor random_tensor() {
  std::vector<std::int64_t> sizes;
  for (int axes = *rc::gen::inRange(0, 4); axes > 0; --axes) sizes.push_back(*rc::gen::inRange(0, 5));
  const DType type = *rc::gen::element(DType::u8, DType::i32, DType::i64, DType::f32, DType::f64, DType::bf16);
  Tensor tensor(Shape(std::span<const std::int64_t>(sizes)), type);
  auto* bytes = static_cast<std::uint8_t*>(tensor.raw());
  for (std::size_t i = 0; i < tensor.bytes(); ++i) bytes[i] = *rc::gen::arbitrary<std::uint8_t>();
  return tensor;
}

RandomTree random_tree(Hdf5Writer& writer) {
  RandomTree tree;
  std::vector<std::string> groups = {""};
  for (int i = *rc::gen::inRange(0, 12); i > 0; --i) {
    const std::string path = groups[*rc::gen::inRange<std::size_t>(0, groups.size())] + fmt::format("/{}_{}", *rc::gen::inRange(0, 100), i);
    if (*rc::gen::arbitrary<bool>()) {
      groups.push_back(path);
      tree.groups.insert(path);
      writer.group(path);
    } else {
      const Tensor tensor = random_tensor();
      tree.datasets.emplace(path, tensor);
      writer.dataset(path, tensor);
    }
    if (*rc::gen::arbitrary<bool>()) {
      const auto text = *rc::gen::container<std::string>(rc::gen::nonZero<char>());
      tree.texts.emplace(path, text);
      writer.attribute(path, "text", text);
    }
  }
  return tree;
}

TEST(Hdf5, RoundTrip) {
  EXPECT_TRUE(rc::check([] {
    Hdf5Writer writer;
    const RandomTree tree = random_tree(writer);
    const Bytes bytes = written(writer);
    const Hdf5Group root = Hdf5File(bytes, "some.h5").root();
    for (const std::string& path : tree.groups) RC_ASSERT(root.is_group(path));
    for (const auto& [path, tensor] : tree.datasets) {
      const Tensor back = root.dataset(path).read();
      RC_ASSERT(back.shape() == tensor.shape());
      RC_ASSERT(back.dtype() == tensor.dtype());
      RC_ASSERT(std::memcmp(back.raw(), tensor.raw(), tensor.bytes()) == 0);
    }
    for (const auto& [path, text] : tree.texts) {
      const auto attribute = tree.groups.contains(path) ? root.group(path).attribute("text") : root.dataset(path).attribute("text");
      RC_ASSERT(attribute->text() == text);
    }
    RC_ASSERT(walk(bytes).size() == tree.datasets.size());
  }));
}

}  // namespace
}  // namespace linn::detail::io
