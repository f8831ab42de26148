// The steps of optimizers on one element (linn/optimizers.h has the formulas).
//
// step_of(options, rate, t) works out what all elements share and returns the function of one: (gradient, variable, slots...), the slots in
// the order of slots_of (optimizers.cc). Every operation rounds to T, in Keras's order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "linn/optimizers.h"

namespace linn::detail::optim {

/// Keras rounds the decays of Adam and its kin to float32 before it raises them to a power: 1 - 0.999 changes by 1.3e-5.
inline double rounded(double decay) { return static_cast<double>(static_cast<float>(decay)); }
inline double power(double decay, std::int64_t t) { return std::pow(rounded(decay), static_cast<double>(t)); }

/// mu(t) of Nadam, and the product of mu(1) to mu(t). A product below 2^-60 stands for 0: it is read as 1 - product.
inline double nadam_mu(double beta_1, std::int64_t t) { return rounded(beta_1) * (1 - 0.5 * power(0.96, t)); }
inline double nadam_product(double beta_1, std::int64_t t) {
  double product = 1, decay = 1;
  for (std::int64_t k = 1; k <= t && product > 0x1p-60; ++k) {
    decay *= rounded(0.96);
    product *= rounded(beta_1) * (1 - 0.5 * decay);
  }
  return product;
}

template <class T>
auto step_of(const optimizers::Adagrad& o, T rate, std::int64_t /*t*/) {
  return [rate, epsilon = static_cast<T>(o.epsilon)](T g, T& w, T& accumulator) {
    accumulator += g * g;
    w -= rate * g / std::sqrt(accumulator + epsilon);
  };
}

template <class T>
auto step_of(const optimizers::Adamax& o, T rate, std::int64_t t) {
  const T rest_1 = static_cast<T>(1 - o.beta_1), beta_2 = static_cast<T>(o.beta_2), epsilon = static_cast<T>(o.epsilon);
  return [=, correction = static_cast<T>(1 - power(o.beta_1, t))](T g, T& w, T& m, T& u) {
    m += (g - m) * rest_1;
    u = std::max(beta_2 * u, std::abs(g));
    w -= rate * m / (correction * (u + epsilon));
  };
}

template <class T>
auto step_of(const optimizers::Nadam& o, T rate, std::int64_t t) {
  const double mu = nadam_mu(o.beta_1, t), next = nadam_mu(o.beta_1, t + 1), product = nadam_product(o.beta_1, t);
  const T of_m = static_cast<T>(next / (1 - product * next)), of_g = static_cast<T>((1 - mu) / (1 - product));
  const T rest_1 = static_cast<T>(1 - rounded(o.beta_1)), rest_2 = static_cast<T>(1 - rounded(o.beta_2)),
          epsilon = static_cast<T>(o.epsilon);
  return [=, correction = static_cast<T>(1 - power(o.beta_2, t))](T g, T& w, T& m, T& v) {
    m += (g - m) * rest_1;
    v += (g * g - v) * rest_2;
    w -= (of_m * m + of_g * g) * rate / (std::sqrt(v / correction) + epsilon);
  };
}

template <class T>
auto step_of(const optimizers::Adadelta& o, T rate, std::int64_t /*t*/) {
  const T rho = static_cast<T>(o.rho), rest = static_cast<T>(1 - o.rho), epsilon = static_cast<T>(o.epsilon);
  return [=](T g, T& w, T& squares, T& changes) {
    squares = rho * squares + rest * (g * g);
    const T change = std::sqrt(changes + epsilon) * g / std::sqrt(squares + epsilon);
    changes = rho * changes + rest * (change * change);
    w -= rate * change;
  };
}

template <class T>
auto step_of(const optimizers::Ftrl& o, T rate, std::int64_t /*t*/) {
  const T exponent = static_cast<T>(-o.learning_rate_power), l1 = static_cast<T>(o.l1_regularization_strength);
  const T l2 = static_cast<T>(2 * o.l2_regularization_strength) + static_cast<T>(o.beta) / rate;
  const T shrinkage = static_cast<T>(2 * o.l2_shrinkage_regularization_strength);
  const auto raised = [=, root = o.learning_rate_power == -0.5](T x) { return root ? std::sqrt(x) : std::pow(x, exponent); };
  return [=](T g, T& w, T& accumulator, T& linear) {
    const T next = accumulator + g * g;
    linear += g + shrinkage * w - (raised(next) - raised(accumulator)) / rate * w;
    w = (std::clamp(linear, -l1, l1) - linear) / (raised(next) / rate + l2);
    accumulator = next;
  };
}

template <class T>
auto step_of(const optimizers::Lion& o, T rate, std::int64_t /*t*/) {
  const T beta_1 = static_cast<T>(o.beta_1), rest_1 = static_cast<T>(1 - rounded(o.beta_1));
  const T beta_2 = static_cast<T>(o.beta_2), rest_2 = static_cast<T>(1 - rounded(o.beta_2));
  return [=](T g, T& w, T& m) {
    const T direction = m * beta_1 + g * rest_1;
    w -= direction > 0 ? rate : direction < 0 ? -rate : direction;  // a NaN stays
    m = m * beta_2 + g * rest_2;
  };
}

/// Adam's moments and the direction of Lamb: the variable stays.
template <class T>
auto step_of(const optimizers::Lamb& o, T /*rate*/, std::int64_t t) {
  const T rest_1 = static_cast<T>(1 - o.beta_1), rest_2 = static_cast<T>(1 - o.beta_2), epsilon = static_cast<T>(o.epsilon);
  return [=, of_m = static_cast<T>(1 - power(o.beta_1, t)), of_v = static_cast<T>(1 - power(o.beta_2, t))](T g, T& /*w*/, T& m, T& v,
                                                                                                           T& direction) {
    m += (g - m) * rest_1;
    v += (g * g - v) * rest_2;
    direction = m / of_m / (std::sqrt(v / of_v) + epsilon);
  };
}

/// The direction of Adafactor for a variable of less than 2 axes: the variable stays.
template <class T>
auto step_of(const optimizers::Adafactor& o, T /*rate*/, std::int64_t t) {
  const double keep = 1 - std::pow(static_cast<double>(t), o.beta_2_decay);
  const T old = static_cast<T>(keep), rest = static_cast<T>(1 - keep), epsilon = static_cast<T>(o.epsilon_1);
  return [=](T g, T& /*w*/, T& velocity, T& direction) {
    velocity = old * velocity + rest * (g * g + epsilon);
    direction = g / std::sqrt(velocity);
  };
}

/// The momentum of Muon, and what is made orthogonal: the variable stays.
template <class T>
auto step_of(const optimizers::Muon& o, T /*rate*/, std::int64_t /*t*/) {
  const T momentum = static_cast<T>(o.momentum), rest = static_cast<T>(o.momentum - 1);
  return [=, nesterov = o.nesterov](T g, T& /*w*/, T& m, T& direction) {
    m += g + m * rest;
    direction = nesterov ? g + momentum * m : m;
  };
}

template <class T>
auto step_of(const optimizers::ScheduleFreeAdamW& o, T rate, std::int64_t t) {
  const auto step = static_cast<T>(t);
  const T risen = o.warmup_steps > 0 ? rate * std::min(step / static_cast<T>(o.warmup_steps), T{1}) : rate;
  const T beta_1 = static_cast<T>(o.beta_1), rest_1 = static_cast<T>(1 - rounded(o.beta_1)), rest_2 = static_cast<T>(1 - rounded(o.beta_2));
  const T epsilon = static_cast<T>(o.epsilon), share = T{1} / step;
  return [=, correction = static_cast<T>(1 - power(o.beta_2, t))](T g, T& w, T& z, T& v) {
    v += (g * g - v) * rest_2;
    const T x = (w - rest_1 * z) / beta_1;
    z -= risen * g / (std::sqrt(v / correction) + epsilon);
    w = rest_1 * z + beta_1 * ((1 - share) * x + share * z);
  };
}

}  // namespace linn::detail::optim
