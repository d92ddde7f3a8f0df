// Runs a model that was read back, operator by operator as the ONNX specification tells them.
#pragma once

#include <cmath>
#include <functional>

#include "engine/capture.h"
#include "engine/ops/binary.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/cast.h"
#include "engine/ops/cat.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/matmul.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/reduce.h"
#include "engine/ops/relu.h"
#include "engine/ops/softmax.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "tests/onnx_reader.h"
#include "tests/refusal.h"

namespace espalier::test {

class OnnxRunner {
 public:
  explicit OnnxRunner(const ReadModel& model) : model_(model), values_(model.initializers) {}

  Tensor run(const Tensor& input) {
    values_[model_.inputs.at(0).name] = input;
    for (const ReadNode& node : model_.nodes) {
      INFO(node.name);
      node_ = &node;
      for (const std::string& name : node.outputs) REQUIRE(!values_.count(name));
      if (node.type == "Split")
        split();
      else
        values_[node.outputs.at(0)] = result();
    }
    return values_.at(model_.outputs.at(0).name);
  }

 private:
  Tensor in(size_t i) const {
    REQUIRE(values_.count(node_->inputs.at(i)));
    return values_.at(node_->inputs[i]);
  }
  const ReadAttribute& attribute(const char* name) const {
    REQUIRE(node_->attributes.count(name));
    return node_->attributes.at(name);
  }
  int64_t integer(const char* name) const {
    CHECK(attribute(name).type == 2);
    return attribute(name).integer;
  }
  Shape integers(const char* name) const {
    CHECK(attribute(name).type == 7);
    const auto& values = attribute(name).integers;
    return {values.begin(), values.end()};
  }
  Shape as_shape(size_t input) const {
    const Tensor x = in(input);
    REQUIRE(x.dtype() == DType::s64);
    return {x.data<int64_t>(), x.data<int64_t>() + x.numel()};
  }

  static Tensor each(const Tensor& x, const std::function<double(double)>& f) {
    std::vector<float> y;
    for (double value : contiguous(x).to_vector()) y.push_back(static_cast<float>(f(value)));
    return Tensor::of(y, x.shape());
  }

  Tensor result() const {
    const std::string& type = node_->type;
    if (type == "Transpose") return permute(in(0), integers("perm"));
    if (type == "Reshape") return reshaped();
    if (type == "Slice") return sliced();
    if (type == "Concat") return joined();
    if (type == "Expand") return expand(in(0), as_shape(1));
    if (type == "Shape") return shape_of(in(0));
    if (type == "Identity") return in(0);
    if (type == "QuantizeLinear") return quantized();
    if (type == "DequantizeLinear") return dequantized();
    if (type == "Softmax") return softmax(in(0), integer("axis"));
    if (type == "Conv") return convolved();
    if (type == "MaxPool") return pooled();
    if (type == "LayerNormalization") {
      CHECK(integer("axis") == -1);
      return layer_norm(in(0), in(1), in(2), static_cast<double>(attribute("epsilon").real));
    }
    if (type.rfind("Reduce", 0) == 0 || type == "ArgMax") return reduced();
    return node_->inputs.size() == 2 ? of_two(in(0), in(1)) : of_one(in(0));
  }

  Tensor of_two(const Tensor& a, const Tensor& b) const {
    const std::string& type = node_->type;
    if (type == "Add") return add(a, b);
    if (type == "Sub") return sub(a, b);
    if (type == "Mul") return mul(a, b);
    if (type == "Div") return div(a, b);
    if (type == "Max") return maximum(a, b);
    if (type == "Min") return minimum(a, b);
    if (type == "MatMul") return matmul(a, b);
    REQUIRE(type == "Pow");
    return each(a, [power = b.item()](double x) { return std::pow(x, power); });
  }

  Tensor of_one(const Tensor& x) const {
    const std::string& type = node_->type;
    if (type == "Relu") return relu(x);
    if (type == "Erf") return each(x, [](double v) { return std::erf(v); });
    if (type == "Neg") return neg(x);
    if (type == "Abs") return abs(x);
    if (type == "Sqrt") return sqrt(x);
    if (type == "Reciprocal") return reciprocal(x);
    if (type == "Exp") return exp(x);
    if (type == "Log") return log(x);
    if (type == "Tanh") return tanh(x);
    REQUIRE(type == "Sigmoid");
    return sigmoid(x);
  }

  Tensor quantized() const {
    REQUIRE(in(2).dtype() == DType::s8);
    const double scale = in(1).item(), zero_point = in(2).item();
    std::vector<int8_t> y;
    for (double x : contiguous(in(0)).to_vector())
      y.push_back(
          static_cast<int8_t>(std::clamp(std::nearbyint(x / scale) + zero_point, -128.0, 127.0)));
    return Tensor::of(y, in(0).shape());
  }

  // One scale, or one for each index of a dimension.
  Tensor dequantized() const {
    const Tensor x = in(0);
    Shape over;
    if (in(1).rank() > 0)
      for (int i = 0; i < x.rank(); ++i) over.push_back(i == integer("axis") ? in(1).numel() : 1);
    const Tensor codes = to(x, DType::f32), scale = reshape(in(1), over);
    if (node_->inputs.size() < 3) return mul(codes, scale);
    REQUIRE(in(2).dtype() == x.dtype());
    return mul(sub(codes, reshape(to(in(2), DType::f32), over)), scale);
  }

  Tensor reshaped() const {
    Shape shape = as_shape(1);
    for (int i = 0; i < shape.rank(); ++i)
      if (shape[i] == 0) shape[i] = in(0).size(i);
    return reshape(in(0), shape);
  }

  Tensor sliced() const {
    const int64_t axis = node_->inputs.size() > 3 ? as_shape(3)[0] : 0;
    return slice(in(0), axis, as_shape(1)[0], std::min(as_shape(2)[0], in(0).size(axis)));
  }

  Tensor joined() const {
    std::vector<Tensor> parts;
    for (size_t i = 0; i < node_->inputs.size(); ++i) parts.push_back(in(i));
    return cat(parts, integer("axis"));
  }

  static Tensor shape_of(const Tensor& x) {
    return Tensor::of(std::vector<int64_t>(x.shape().begin(), x.shape().end()), {x.rank()});
  }

  // Images and weights with channels first.
  Tensor convolved() const {
    const Tensor x = permute(in(0), {0, 2, 3, 1}), weight = permute(in(1), {0, 2, 3, 1});
    CHECK(integers("kernel_shape") == Shape{weight.size(1), weight.size(2)});
    const Tensor bias = node_->inputs.size() > 2 ? in(2) : Tensor();
    return permute(conv2d(x, weight, bias, integers("strides")[1], integers("pads")[3]),
                   {0, 3, 1, 2});
  }

  Tensor pooled() const {
    const Tensor x = permute(in(0), {0, 2, 3, 1});
    return permute(
        max_pool2d(x, integers("kernel_shape")[1], integers("strides")[1], integers("pads")[3]),
        {0, 3, 1, 2});
  }

  Tensor reduced() const {
    const bool keep = integer("keepdims") != 0;
    if (node_->type == "ArgMax") return argmax(in(0), integer("axis"), keep);
    if (node_->type == "ReduceSum") return sum(in(0), as_shape(1), keep);
    if (node_->type == "ReduceMean") return mean(in(0), integers("axes"), keep);
    if (node_->type == "ReduceMax") return amax(in(0), integers("axes"), keep);
    REQUIRE(node_->type == "ReduceMin");
    return amin(in(0), integers("axes"), keep);
  }

  void split() {
    int64_t from = 0;
    for (size_t i = 0; i < node_->outputs.size(); ++i) {
      const int64_t to = from + as_shape(1)[static_cast<int>(i)];
      values_[node_->outputs[i]] = slice(in(0), integer("axis"), from, to);
      from = to;
    }
  }

  const ReadModel& model_;
  std::map<std::string, Tensor> values_;
  const ReadNode* node_ = nullptr;
};

using Unary = std::function<Tensor(const Tensor&)>;

// What is said where the graph of f cannot be written.
inline std::string refused_export(const Unary& f, const Shape& sample) {
  return refusal_of([&] { onnx_model(capture(f, sample, {}), "x", "y"); });
}

}  // namespace espalier::test
