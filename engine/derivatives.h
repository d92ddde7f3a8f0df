// The derivatives of the library's operations, apart from what runs them forward: only backward()
// reads this table, so that a program without training links none of it.
#pragma once

#include "engine/op_table.h"
#include "engine/ops/view.h"

namespace espalier {

class Derivatives : public OpTable<Derivative> {
 public:
  // f: see derivative_of.
  template <auto f>
  void add(const Op& op) {
    OpTable::add(op, derivative_of<f>);
  }
  // Throws std::logic_error where an operation that saved something has no derivative.
  Derivative of(const Op& op) const;
};

// Every operation of the library adds its own in engine/ops/<name>.cpp, by a function
// void <name>_derivatives(Derivatives&).
const Derivatives& derivatives();

// Where input 0 has the output's shape: f.operator()<T>(dy, dx) fills dx, and both are contiguous.
template <class F>
void add_same_shape_gradient(const Tensor& gradient, InputGradients& inputs, F f) {
  const Tensor dy = contiguous(gradient);
  const Tensor dx = Tensor::empty(dy.shape(), dy.dtype());
  visit_floating_point(dy.dtype(), [&]<class T>() { f.template operator()<T>(dy, dx); });
  inputs.add(0, dx);
}

}  // namespace espalier
