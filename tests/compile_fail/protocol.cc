#include "linn/linn.h"

linn::shift::Protocol make() {
#ifdef LINN_WRONG
  return "zang";
#else
  return "zhang";
#endif
}
