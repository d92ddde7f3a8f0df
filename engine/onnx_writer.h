// From a captured graph to an ONNX model. Each operation writes its own nodes: its OnnxForm.
#pragma once

#include <map>
#include <set>
#include <span>

#include "engine/graph.h"
#include "engine/io/onnx.h"
#include "engine/op_table.h"

namespace espalier {

// The graph in ONNX's operators, with the batch as dimension "N", parameters under their own names
// (the weights of products and convolutions transposed to the order in which ONNX's operators take
// them), and these names for what goes in and comes out. Argument errors: an operation without an
// ONNX form; numbers that grow with the batch where ONNX wants constants.
OnnxModel onnx_model(const Graph& graph, const std::string& input, const std::string& output);

// The forms of the library's operations. Only onnx_model() reads them, so that a program that never
// exports links none. Every operation adds its own in engine/ops/<name>.cpp, by a function
// void <name>_onnx_forms(OnnxForms&).
using OnnxForms = OpTable<OnnxForm>;
const OnnxForms& onnx_forms();

// The name of a value of the model that is being made.
enum class OnnxName : int;
using OnnxNames = std::span<const OnnxName>;

// What the integers of a value mean: (code - zero_point) * scale, with one scale for all or one for
// each of equal parts of the last dimension, as many as there are.
struct OnnxCodes {
  std::vector<double> scales;
  int64_t zero_point = 0;
};

// One operation's view of that model. Nothing here is inline and names are numbers: every program
// that can export carries each operation's part.
class OnnxWriter {
 public:
  const Graph::Node& node() const { return *node_; }

  // ---- operands ----
  bool has(int input) const;
  OnnxName in(int input);
  // A parameter or constant with its dimensions in this order; an argument error for a value that
  // is computed from the input.
  OnnxName in_permuted(int input, const Shape& dims);
  const BatchShape& in_shape(int input) const;
  DType in_dtype(int input) const;
  const BatchShape& out_shape() const;

  // ---- numbers ----
  int64_t fixed(const BatchDim& dim) const;  // an argument error where it grows with the batch
  Shape fixed(const BatchShape& shape) const;
  int64_t integer(const char* attribute) const;
  OnnxName number(double value);  // as a constant
  OnnxName integers(const Shape& values);
  OnnxName shape(const BatchShape& shape);  // as a vector, computed where it grows
  double real(const char* attribute) const;
  // A parameter's values, contiguous, and another constant named after it.
  Tensor constant(int input) const;
  OnnxName in_place_of(int input, const Tensor& values, const char* suffix = "");

  // ---- codes ----
  // An integer value stands in the file as the numbers that its codes mean; whoever multiplies
  // codes of 8 bits takes them from in_codes().
  // An argument error where nobody told the scale.
  void out_codes(const OnnxCodes& codes);  // of the operation's output
  const OnnxCodes& codes(int input) const;
  // The operand after QuantizeLinear and DequantizeLinear, the pair that other engines replace by
  // integer arithmetic.
  OnnxName in_codes(int input);
  OnnxName quantized(OnnxName x, const OnnxCodes& codes);

  // ---- nodes ----
  // A node on the way.
  OnnxName add(const char* type, OnnxNames inputs, Attributes attributes = {});
  OnnxName add(const char* type, std::initializer_list<OnnxName> inputs,
               Attributes attributes = {});
  OnnxName transpose(OnnxName x, const Shape& order);
  // x cut along a dimension.
  std::vector<OnnxName> split(OnnxName x, const Shape& sizes, int64_t dim);
  // The node that makes the operation's output.
  void out(const char* type, OnnxNames inputs, Attributes attributes = {});
  void out(const char* type, std::initializer_list<OnnxName> inputs, Attributes attributes = {});
  // The output is the same values as an input, or as the result of another node.
  void out_same(int input);
  void out_same(OnnxName x);

 private:
  friend OnnxModel onnx_model(const Graph&, const std::string&, const std::string&);
  OnnxWriter(const Graph& graph, const std::string& input, const std::string& output);
  void write(const Graph::Node& node);
  OnnxName append(const char* type, OnnxNames inputs, OnnxNames outputs, Attributes attributes);
  const Graph::Value& value(int number) const { return graph_.values[static_cast<size_t>(number)]; }
  int number_of(int input) const { return node().inputs[static_cast<size_t>(input)]; }
  const Graph::Value& constant_value(int input) const;
  void check_codes(const OnnxCodes& codes) const;
  const std::string& text(OnnxName name) const { return texts_[static_cast<size_t>(name)]; }
  OnnxName take(const std::string& text);  // as it is
  OnnxName unique(const std::string& wish);
  OnnxName of_node(const char* type);
  OnnxName initializer(const std::string& wish, const Tensor& values);
  OnnxName parameter(int number, const Shape& dims);
  // The constant of that name, which is made once.
  OnnxName constant(const std::string& key, const Tensor& values);

  const Graph& graph_;
  const Graph::Node* node_ = nullptr;
  OnnxModel model_;
  std::vector<std::string> texts_;
  std::set<std::string> taken_;
  OnnxName input_, output_;
  std::map<int, OnnxName> names_;  // of values that are computed
  std::map<int, OnnxCodes> codes_;
  std::map<int, OnnxName> quantized_;
  std::map<std::string, OnnxName> constants_;
  // Of parameters and other constants of the graph, by their value and order of dimensions.
  std::map<std::pair<int, std::vector<int64_t>>, OnnxName> parameters_;
};

}  // namespace espalier
