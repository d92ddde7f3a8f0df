// An operation of your own, on the tape beside the library's: Swish, y = x / (1 + e^-x)
// (Ramachandran et al., 1710.05941), whose derivative is held against a difference. Build it
// against the installed library:
//   c++ -std=c++20 operation.cpp $(pkg-config --cflags --libs espalier) -o operation
#include <espalier.h>

#include <cmath>
#include <cstdio>

namespace {

using espalier::Tensor;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// What the derivative needs of a call. Tensors are kept without their own place on the tape.
struct Saved {
  Tensor x;
};

// dx = dy (s + x s (1 - s)), s = sigmoid(x)
void derivative(const Saved& saved, const Tensor& dy, espalier::InputGradients& inputs) {
  const Tensor gradient = contiguous(dy), dx = Tensor::empty(saved.x.shape(), saved.x.dtype());
  for (int64_t i = 0; i < dx.numel(); ++i) {
    const double x = saved.x.data<double>()[i], s = sigmoid(x);
    dx.data<double>()[i] = gradient.data<double>()[i] * (s + x * s * (1 - s));
  }
  inputs.add(0, dx);
}

constexpr espalier::Op swish_op{.name = "swish", .derivative = espalier::derivative_of<derivative>};

// x and the result: f64, any shape.
Tensor swish(const Tensor& x) {
  check_dtype(swish_op.name, "x", x, espalier::DType::f64);
  const Tensor in = contiguous(x.detach()), y = Tensor::empty(x.shape(), x.dtype());
  for (int64_t i = 0; i < y.numel(); ++i)
    y.data<double>()[i] = in.data<double>()[i] * sigmoid(in.data<double>()[i]);
  return record(swish_op, {}, {x}, y, Saved{in});
}

double loss_at(double x) {
  return espalier::sum(swish(Tensor::full({1}, x, espalier::DType::f64))).item();
}

}  // namespace

int main() {
  constexpr double x = 0.7, step = 1e-6;
  const Tensor leaf = Tensor::full({1}, x, espalier::DType::f64).set_requires_grad(true);
  backward(espalier::sum(swish(leaf)));
  const double found = leaf.grad().item(),
               expected = (loss_at(x + step) - loss_at(x - step)) / (2 * step);
  std::printf("swish'(%.1f): the tape says %.9f, a difference %.9f\n", x, found, expected);
  return std::abs(found - expected) < 1e-8 ? 0 : 1;
}
