// One record an operation call: the tape, the capture and the profiler consume it, and nothing else
// describes what ran.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <variant>

#include "engine/recycled.h"
#include "engine/tensor.h"

namespace espalier {

class InputGradients;
class Kept;
struct GradientSink;  // engine/autograd.h
class Lowering;       // engine/lowering.h
class NodeCall;       // engine/replay.h
class OnnxWriter;     // engine/onnx_writer.h

// A named constant of one call: a dimension, an epsilon, a list of sizes, a mode.
struct Attribute {
  const char* name;
  std::variant<int64_t, double, const char*, Shape> value;
};
using Attributes = std::initializer_list<Attribute>;
using Inputs = std::span<const Tensor>;
using Shapes = std::span<const Shape>;

using Derivative = void (*)(const Kept&, const Tensor& output_gradient, InputGradients&);
using OnnxForm = void (*)(OnnxWriter&);

// What is known of an operation beside its arithmetic; one constant in the op's own file.
struct Op {
  const char* name;
  // Floating-point operations of one forward call; null where it only moves data. The shape of an
  // absent input has rank 0.
  int64_t (*flops)(Shapes inputs, const Shape& output) = nullptr;
  // The output is another look at the first input's memory; nothing is computed or moved.
  bool view = false;
  // So many leading inputs are matrices of rows (along the last dimension, broadcast to the
  // output's shape), of which each output row needs the same row and no other; 0 where rows mix.
  size_t row_inputs = 0;
  // Rows (of the last dimension but one) don't stand apart, but a step computes no more of them
  // than a node's output holds, from the first on.
  bool leading_rows = false;
  // Makes the operation a step of a compiled plan; null where plans cannot run it.
  void (*lower)(Lowering&) = nullptr;
  // Calls the operation as a node of a graph did; null where graphs cannot be run again.
  Tensor (*replay)(const NodeCall&) = nullptr;
  // For operations outside the library. The library's own stand in tables (engine/op_table.h), so
  // that a program links no derivative unless it calls backward(), and no ONNX form unless it
  // exports.
  Derivative derivative = nullptr;
  // Writes the operation in ONNX's operators.
  OnnxForm onnx = nullptr;
};

// The gradients of one operation's inputs, filled by its backward function.
class InputGradients {
 public:
  InputGradients(Node& node, const GradientSink* sink) : node_(node), sink_(sink) {}

  // True when input `i` needs a gradient; skip the work otherwise.
  bool wants(int i) const;
  // Adds `gradient` (the input's shape and dtype) to what input `i` has so far.
  void add(int i, Tensor gradient);

  // Where a kernel that can accumulate may write by itself, saving a pass: contiguous memory of the
  // input's shape. With `accumulate` it holds a sum to add to, otherwise it must be overwritten.
  struct Destination {
    Tensor tensor;
    bool accumulate;
  };
  Destination destination(int i);

 private:
  Node& node_;
  const GradientSink* sink_;
};

// What a call keeps for its derivative: a struct of the op's own, in recycled memory. Empty by
// default, and from nullptr.
class Kept {
 public:
  Kept() = default;
  Kept(std::nullptr_t) noexcept {}
  template <class Saved>
  requires(!std::is_same_v<Saved, Kept>) Kept(Saved saved)
      : saved_(std::allocate_shared<Saved>(Recycled<Saved>(), std::move(saved))),
        type_(&type_of<Saved>) {}
  explicit operator bool() const noexcept { return saved_ != nullptr; }
  template <class Saved>
  const Saved& as() const {
    if (type_ != &type_of<Saved>) throw std::logic_error("a derivative of another operation");
    return *static_cast<const Saved*>(saved_.get());
  }

 private:
  template <class Saved>
  static constexpr char type_of = 0;  // its address tells types apart

  std::shared_ptr<void> saved_;
  const char* type_ = nullptr;
};

// The derivative of a call that saved a struct S is a function
//   void f(const S& saved, const Tensor& output_gradient, InputGradients& inputs);
// derivative_of<f> is its form for the tape.
template <auto f>
struct DerivativeForm;
template <class Saved, void (*f)(const Saved&, const Tensor&, InputGradients&)>
struct DerivativeForm<f> {
  static void call(const Kept& kept, const Tensor& output_gradient, InputGradients& inputs) {
    f(kept.as<Saved>(), output_gradient, inputs);
  }
};
template <auto f>
constexpr Derivative derivative_of = DerivativeForm<f>::call;

// Every op ends with `return record(op, attributes, inputs, output, saved);`. When gradients are on
// and an input needs one, `output` joins the tape, which keeps what was saved until it has used it.
// Undefined inputs (an absent bias) are allowed. Saved tensors must be detach()ed: the output's own
// handle would keep itself alive.
Tensor record(const Op& op, Attributes attributes, Inputs inputs, const Tensor& output, Kept kept);
inline Tensor record(const Op& op, Attributes attributes, std::initializer_list<Tensor> inputs,
                     const Tensor& output, Kept kept) {
  return record(op, attributes, Inputs(inputs.begin(), inputs.size()), output, std::move(kept));
}

// ---- argument checks that ops share: each throws an argument error naming op and operand ----

void check_defined(const char* op, const char* operand, const Tensor& x);
// f32 or f64, where arithmetic exists.
void check_floating_point(const char* op, const char* operand, const Tensor& x);
void check_dtype(const char* op, const char* operand, const Tensor& x, DType expected);
void check_same_dtype(const char* op, const char* operand, const Tensor& x, const Tensor& like);
void check_same_device(const char* op, const char* operand, const Tensor& x, const Tensor& like);
void check_shape(const char* op, const char* operand, const Tensor& x, const Shape& expected);
void check_min_rank(const char* op, const char* operand, const Tensor& x, int rank);

// Calls f.operator()<T>() with float or double. Call check_floating_point first.
template <class F>
auto visit_floating_point(DType dtype, F f) {
  return dtype == DType::f64 ? f.template operator()<double>() : f.template operator()<float>();
}

}  // namespace espalier
