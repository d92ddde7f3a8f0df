// One record an operation call: the tape, the capture and the profiler consume it, and nothing else
// describes what ran.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <variant>

#include "engine/recycled.h"
#include "engine/tensor.h"

namespace espalier {

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
  // Makes the operation a step of a compiled plan; null where plans cannot run it.
  void (*lower)(Lowering&) = nullptr;
  // Calls the operation as a node of a graph did; null where graphs cannot be run again.
  Tensor (*replay)(const NodeCall&) = nullptr;
  // Writes the operation in ONNX's operators; null where it has no such form.
  void (*onnx)(OnnxWriter&) = nullptr;
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

// The derivative of one operation call, void(const Tensor& output_gradient, InputGradients&), with
// all that it captured. Empty by default, and from nullptr.
class Backward {
 public:
  Backward() = default;
  Backward(std::nullptr_t) noexcept {}
  template <class F>
  requires(!std::is_same_v<F, Backward>) Backward(F f)
      : function_(std::allocate_shared<F>(Recycled<F>(), std::move(f))),
        call_([](void* f, const Tensor& output_gradient, InputGradients& inputs) {
          (*static_cast<F*>(f))(output_gradient, inputs);
        }) {}
  explicit operator bool() const noexcept { return function_ != nullptr; }
  void operator()(const Tensor& output_gradient, InputGradients& inputs) const {
    call_(function_.get(), output_gradient, inputs);
  }

 private:
  std::shared_ptr<void> function_;
  void (*call_)(void*, const Tensor&, InputGradients&) = nullptr;
};

// Every op ends with `return record(op, attributes, inputs, output, backward);`. When gradients are
// on and an input needs one, `output` joins the tape; `backward` (with what it captured) is kept
// until the tape has used it. Undefined inputs (an absent bias) are allowed. `backward` must
// capture detach()ed tensors: the output's own handle would keep itself alive.
Tensor record(const Op& op, Attributes attributes, Inputs inputs, const Tensor& output,
              Backward backward);
inline Tensor record(const Op& op, Attributes attributes, std::initializer_list<Tensor> inputs,
                     const Tensor& output, Backward backward) {
  return record(op, attributes, Inputs(inputs.begin(), inputs.size()), output, std::move(backward));
}

// ---- argument checks that ops share: each throws an argument error naming op and operand ----

void check_defined(const char* op, const char* operand, const Tensor& x);
// f32 or f64, where arithmetic exists.
void check_floating_point(const char* op, const char* operand, const Tensor& x);
void check_dtype(const char* op, const char* operand, const Tensor& x, DType expected);
void check_same_dtype(const char* op, const char* operand, const Tensor& x, const Tensor& like);
void check_shape(const char* op, const char* operand, const Tensor& x, const Shape& expected);
void check_min_rank(const char* op, const char* operand, const Tensor& x, int rank);

// Calls f.operator()<T>() with float or double. Call check_floating_point first.
template <class F>
auto visit_floating_point(DType dtype, F f) {
  return dtype == DType::f64 ? f.template operator()<double>() : f.template operator()<float>();
}

}  // namespace espalier
