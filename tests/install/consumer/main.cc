#include <linn/linn.h>

int main() {
  linn::Sequential model;
  model.add(linn::Conv2D(32, {3, 3}, {.padding = "valid", .activation = "relu", .input_shape = {28, 28, 1}}));
  model.add(linn::MaxPooling2D({2, 2}, {.strides = 2}));
  model.summary();
}
