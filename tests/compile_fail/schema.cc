#include <cstdint>
#include <string>

#include "schema/field.h"

struct Options {
  std::int64_t size = 1;
  std::string name = {};
};

template <>
struct linn::detail::schema::Schema<Options> {
  static constexpr auto fields = all(field("size", &Options::size, at_least(1), "A size.")
#ifndef LINN_WRONG
                                         ,
                                     field("name", &Options::name, "A name.")
#endif
  );
};

void look(const Options& options) {
  linn::detail::schema::walk([](const auto&, const auto&) {}, options);
}
