#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <string>
#include <utility>

#include "linn/error.h"

namespace linn::tests {

// What the call is refused with; it must be refused, with an error of that class.
template <class ErrorType = Error, class Call>
std::string message_of(Call&& call) {
  try {
    std::forward<Call>(call)();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ErrorType& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
  }
  return "";
}

}  // namespace linn::tests
