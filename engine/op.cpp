#include "engine/op.h"

#include "engine/autograd.h"
#include "engine/capture.h"
#include "engine/device_memory.h"
#include "engine/profiler.h"

namespace espalier {

namespace {

void profile(const Op& op, Inputs inputs, const Tensor& output) {
  std::vector<Shape> shapes;
  for (const Tensor& input : inputs) shapes.push_back(input.defined() ? input.shape() : Shape());
  profiler::add_flops(op.flops(shapes, output.shape()));
}

}  // namespace

Tensor record(const Op& op, Attributes attributes, Inputs inputs, const Tensor& output, Kept kept) {
  if (profiler::enabled() && op.flops) profile(op, inputs, output);
  if (output.device().on_gpu()) check_launches(op.name);
  capture_call(op, attributes, inputs, output);
  if (!grad_enabled()) return output;
  RecycledVector<Edge> edges;
  edges.reserve(inputs.size());
  bool any = false;
  for (const Tensor& input : inputs) {
    Edge edge;
    if (input.defined() && input.requires_grad()) {
      edge.node = input.grad_fn();
      if (!edge.node) edge.leaf = input;
      any = true;
    }
    edges.push_back(std::move(edge));
  }
  if (!any) return output;
  static std::atomic<uint64_t> sequence{0};
  auto node = std::allocate_shared<Node>(Recycled<Node>());
  node->op = &op;
  node->sequence = sequence.fetch_add(1, std::memory_order_relaxed);
  node->output_shape = output.shape();
  node->output_dtype = output.dtype();
  node->kept = std::move(kept);
  node->edges = std::move(edges);
  set_history(output, std::move(node));
  return output;
}

void check_defined(const char* op, const char* operand, const Tensor& x) {
  if (!x.defined()) argument_error(op, operand, "undefined", "a tensor", "");
}

void check_floating_point(const char* op, const char* operand, const Tensor& x) {
  check_defined(op, operand, x);
  if (x.dtype() != DType::f32 && x.dtype() != DType::f64)
    argument_error(op, operand, x.describe(), "f32 or f64", "convert it with to(DType::f32)");
}

void check_dtype(const char* op, const char* operand, const Tensor& x, DType expected) {
  check_defined(op, operand, x);
  if (x.dtype() != expected)
    argument_error(op, operand, x.describe(), std::string("dtype ") + dtype_name(expected),
                   "quantize() makes integers of f32, dequantize() the reverse");
}

void check_same_dtype(const char* op, const char* operand, const Tensor& x, const Tensor& like) {
  check_defined(op, operand, x);
  if (x.dtype() != like.dtype())
    argument_error(op, operand, x.describe(), std::string("dtype ") + dtype_name(like.dtype()),
                   "all operands must have one dtype; convert with to()");
  check_same_device(op, operand, x, like);
}

void check_same_device(const char* op, const char* operand, const Tensor& x, const Tensor& like) {
  if (!(x.device() == like.device()))
    argument_error(op, operand, x.describe() + " on " + x.device().str(),
                   "device " + like.device().str(),
                   "all operands must be on one device; move it with to(Device)");
}

void check_shape(const char* op, const char* operand, const Tensor& x, const Shape& expected) {
  check_defined(op, operand, x);
  if (!(x.shape() == expected))
    argument_error(op, operand, x.describe(), "shape " + expected.str(), "");
}

void check_min_rank(const char* op, const char* operand, const Tensor& x, int rank) {
  check_defined(op, operand, x);
  if (x.rank() < rank)
    argument_error(op, operand, x.describe(), "at least " + std::to_string(rank) + " dimensions",
                   "");
}

}  // namespace espalier
