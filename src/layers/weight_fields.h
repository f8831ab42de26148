// Runs of fields that layers with weights share, in Keras's order.
#pragma once

#include "layers/described.h"
#include "layers/window.h"

namespace linn::detail::layers {

/// Where the windows of a convolution lie. `paddings` says which names it takes.
template <class O>
constexpr auto stride_fields(const char* paddings) {
  return schema::all(schema::field("strides", &O::strides, schema::at_least(1), "Pixels from one window to the next."),
                     schema::field("padding", &O::padding, paddings));
}
inline constexpr const char* all_paddings = "\"valid\", \"same\", or linn's own \"circular\", \"reflect\", \"replicate\", \"full\", numbers of rows and columns, and {pads, border}.";

template <class O>
constexpr auto dilation_fields() {
  return schema::all(data_format_field<O>(),
                     schema::field("dilation_rate", &O::dilation_rate, schema::at_least(1), "Pixels from one tap of the window to the next."));
}

template <class O>
constexpr auto activation_fields() {
  return schema::all(schema::field("activation", &O::activation, "Applied to the sums."),
                     schema::field("use_bias", &O::use_bias, "Whether a bias is added to each output channel."));
}

/// Of a layer whose output adds to the loss.
template <class O>
constexpr auto activity_field() {
  return schema::field("activity_regularizer", &O::activity_regularizer,
                       "Added to the loss for the size of the output, divided by the images of the batch.");
}

/// Of a layer with one kernel and a bias.
template <class O>
constexpr auto kernel_beginnings() {
  return schema::all(schema::field("kernel_initializer", &O::kernel_initializer, "First values of the kernel."),
                     schema::field("bias_initializer", &O::bias_initializer, "First values of the bias."),
                     schema::field("kernel_regularizer", &O::kernel_regularizer, "Added to the loss for the size of the kernel."),
                     schema::field("bias_regularizer", &O::bias_regularizer, "Added to the loss for the size of the bias."));
}
template <class O>
constexpr auto kernel_constraints() {
  return schema::all(schema::field("kernel_constraint", &O::kernel_constraint, "Done to the kernel after each step."),
                     schema::field("bias_constraint", &O::bias_constraint, "Done to the bias after each step."));
}
template <class O>
constexpr auto kernel_fields() {
  return schema::all(kernel_beginnings<O>(), activity_field<O>(), kernel_constraints<O>());
}

/// Of a normalization: what beta and gamma begin with.
template <class O>
constexpr auto beta_gamma_fields() {
  return schema::all(schema::field("center", &O::center, "Whether beta is added."),
                     schema::field("scale", &O::scale, "Whether the values are multiplied by gamma."),
                     schema::field("beta_initializer", &O::beta_initializer, "First values of beta."),
                     schema::field("gamma_initializer", &O::gamma_initializer, "First values of gamma."));
}
/// What training does to them besides.
template <class O>
constexpr auto beta_gamma_bounds() {
  return schema::all(schema::field("beta_regularizer", &O::beta_regularizer, "Added to the loss for the size of beta."),
                     schema::field("gamma_regularizer", &O::gamma_regularizer, "Added to the loss for the size of gamma."),
                     schema::field("beta_constraint", &O::beta_constraint, "Done to beta after each step."),
                     schema::field("gamma_constraint", &O::gamma_constraint, "Done to gamma after each step."));
}

/// What is wrong with strides and dilation together, or an empty text.
template <class O>
std::string stride_fault(const O& o) {
  const bool strided = o.strides.height > 1 || o.strides.width > 1, dilated = o.dilation_rate.height > 1 || o.dilation_rate.width > 1;
  if (!strided || !dilated) return {};
  return fmt::format("strides {} and dilation_rate {} are both above 1; only one of them may be", to_string(o.strides), to_string(o.dilation_rate));
}

}  // namespace linn::detail::layers
