#include "engine/onnx_writer.h"

#include <cmath>
#include <cstdio>

#include "engine/autograd.h"
#include "engine/filled_table.h"
#include "engine/ops/view.h"

namespace espalier {
namespace {

constexpr const char* name_of_export = "export";
constexpr const char* batch_name = "N";
constexpr BatchDim batch_dim{1, 0};

OnnxValue described(const std::string& name, const Graph::Value& value) {
  OnnxValue out{name, value.dtype, {}};
  for (const BatchDim& dim : value.shape) {
    if (dim.per_sample == 0)
      out.shape.emplace_back(dim.fixed);
    else if (dim == batch_dim)
      out.shape.emplace_back(std::string(batch_name));
    else
      out.shape.emplace_back(std::to_string(dim.per_sample) + "*" + batch_name + "+" +
                             std::to_string(dim.fixed));
  }
  return out;
}

std::string wish_for(const Graph::Value& constant) {
  return constant.name.empty() ? "constant" : constant.name;
}

void check_no_empty_dimension(const Graph& graph, const Graph::Node& node) {
  for (const BatchDim& dim : graph.values[static_cast<size_t>(node.output)].shape)
    if (dim == BatchDim{})
      argument_error(name_of_export, node.op->name, "a result without elements",
                     "no dimension of 0, which ONNX's Reshape takes for another", "");
}

}  // namespace

ESPALIER_FILLED_TABLE(OnnxForms, onnx_forms)

OnnxModel onnx_model(const Graph& graph, const std::string& input, const std::string& output) {
  const NoGradGuard off;
  OnnxWriter writer(graph, input, output);
  for (const Graph::Node& node : graph.nodes) writer.write(node);
  if (writer.codes_.count(graph.output))
    argument_error(name_of_export, "graph", "a result in codes", "one in fp32",
                   "dequantize() the result");
  return std::move(writer.model_);
}

OnnxWriter::OnnxWriter(const Graph& graph, const std::string& input, const std::string& output)
    : graph_(graph), input_(take(input)), output_(take(output)) {
  model_.inputs.push_back(described(input, value(graph.input)));
  model_.outputs.push_back(described(output, value(graph.output)));
  names_[graph.input] = input_;
}

void OnnxWriter::write(const Graph::Node& node) {
  const OnnxForm form = node.op->onnx ? node.op->onnx : onnx_forms().find(*node.op);
  if (!form)
    argument_error(name_of_export, node.op->name, "an operation without an ONNX form",
                   "operations of inference", "call eval() on the module before capture()");
  check_no_empty_dimension(graph_, node);
  node_ = &node;
  form(*this);
  if (!node.op->view) return;
  if (const auto found = codes_.find(node.inputs[0]); found != codes_.end())
    codes_[node.output] = OnnxCodes(found->second);
}

bool OnnxWriter::has(int input) const {
  const auto& inputs = node().inputs;
  return input < static_cast<int>(inputs.size()) &&
         inputs[static_cast<size_t>(input)] != Graph::absent;
}

OnnxName OnnxWriter::in(int input) {
  const int number = number_of(input);
  if (const auto found = names_.find(number); found != names_.end()) return found->second;
  Shape as_it_is;
  for (size_t i = 0; i < value(number).shape.size(); ++i)
    as_it_is.push_back(static_cast<int64_t>(i));
  return parameter(number, as_it_is);
}

OnnxName OnnxWriter::in_permuted(int input, const Shape& dims) {
  constant_value(input);
  return parameter(number_of(input), dims);
}

const Graph::Value& OnnxWriter::constant_value(int input) const {
  const Graph::Value& found = value(number_of(input));
  if (!found.constant.defined())
    argument_error(name_of_export, node().op->name, "an operand that is computed from the input",
                   "a parameter or a constant", "");
  return found;
}

Tensor OnnxWriter::constant(int input) const {
  return contiguous(constant_value(input).constant.detach());
}

OnnxName OnnxWriter::in_place_of(int input, const Tensor& values, const char* suffix) {
  return initializer(wish_for(constant_value(input)) + suffix, values);
}

const BatchShape& OnnxWriter::in_shape(int input) const { return value(number_of(input)).shape; }

DType OnnxWriter::in_dtype(int input) const { return value(number_of(input)).dtype; }

const BatchShape& OnnxWriter::out_shape() const { return value(node().output).shape; }

int64_t OnnxWriter::fixed(const BatchDim& dim) const {
  if (dim.per_sample != 0)
    argument_error(name_of_export, node().op->name, "a number that grows with the batch",
                   "one number", "keep the batch in the leading dimension");
  return dim.fixed;
}

Shape OnnxWriter::fixed(const BatchShape& shape) const {
  Shape out;
  for (const BatchDim& dim : shape) out.push_back(fixed(dim));
  return out;
}

int64_t OnnxWriter::integer(const char* name) const {
  return fixed(attribute<BatchDim>(node(), name));
}

double OnnxWriter::real(const char* name) const { return attribute<double>(node(), name); }

OnnxName OnnxWriter::number(double value) {
  char name[40];
  std::snprintf(name, sizeof name, "float(%.9g)", value);
  return constant(name, Tensor::full({}, value));
}

OnnxName OnnxWriter::integers(const Shape& values) {
  return constant("int64" + values.str(),
                  Tensor::of(std::vector<int64_t>(values.begin(), values.end()), {values.rank()}));
}

OnnxName OnnxWriter::shape(const BatchShape& shape) {
  std::vector<OnnxName> parts;
  Shape run;
  const auto end_run = [&] {
    if (run.rank()) parts.push_back(integers(run));
    run = {};
  };
  for (const BatchDim& dim : shape) {
    if (!(dim == batch_dim)) {
      run.push_back(fixed(dim));
      continue;
    }
    end_run();
    parts.push_back(add("Slice", {add("Shape", {input_}), integers({0}), integers({1})}));
  }
  end_run();
  return parts.size() == 1 ? parts.front() : add("Concat", parts, {{"axis", int64_t{0}}});
}

OnnxName OnnxWriter::add(const char* type, OnnxNames inputs, Attributes attributes) {
  const OnnxName made[] = {of_node(type)};
  return append(type, inputs, made, attributes);
}

OnnxName OnnxWriter::add(const char* type, std::initializer_list<OnnxName> inputs,
                         Attributes attributes) {
  return add(type, OnnxNames(inputs), attributes);
}

OnnxName OnnxWriter::transpose(OnnxName x, const Shape& order) {
  return add("Transpose", {x}, {{"perm", order}});
}

std::vector<OnnxName> OnnxWriter::split(OnnxName x, const Shape& sizes, int64_t dim) {
  std::vector<OnnxName> parts;
  for (int i = 0; i < sizes.rank(); ++i) parts.push_back(of_node("Split"));
  const OnnxName inputs[] = {x, integers(sizes)};
  append("Split", inputs, parts, {{"axis", dim}});
  return parts;
}

void OnnxWriter::out(const char* type, OnnxNames inputs, Attributes attributes) {
  const int number = node().output;
  const OnnxName made[] = {number == graph_.output ? output_ : of_node(type)};
  names_[number] = append(type, inputs, made, attributes);
}

void OnnxWriter::out(const char* type, std::initializer_list<OnnxName> inputs,
                     Attributes attributes) {
  out(type, OnnxNames(inputs), attributes);
}

void OnnxWriter::out_same(int input) { out_same(in(input)); }

void OnnxWriter::out_same(OnnxName x) {
  if (node().output == graph_.output)
    out("Identity", {x});
  else
    names_[node().output] = x;
}

void OnnxWriter::check_codes(const OnnxCodes& codes) const {
  for (double scale : codes.scales) {
    const bool known = scale > 0 && std::isfinite(scale);
    if (known && codes.zero_point >= -128 && codes.zero_point <= 127) continue;
    argument_error(name_of_export, node().op->name,
                   "on codes of scale " + std::to_string(scale) + " and zero point " +
                       std::to_string(codes.zero_point) + ", in layer '" + node().layer + "'",
                   "a scale, and a zero point of 8 bits", "compress the model again");
  }
}

void OnnxWriter::out_codes(const OnnxCodes& codes) {
  check_codes(codes);
  codes_[node().output] = codes;
}

const OnnxCodes& OnnxWriter::codes(int input) const {
  const auto found = codes_.find(number_of(input));
  if (found == codes_.end())
    argument_error(name_of_export, node().op->name, "on codes that something moved",
                   "those of an operation", "");
  return found->second;
}

OnnxName OnnxWriter::in_codes(int input) {
  const int number = number_of(input);
  if (value(number).dtype != DType::s8) return in(input);
  if (const auto found = quantized_.find(number); found != quantized_.end()) return found->second;
  return quantized_[number] = quantized(in(input), codes(input));
}

OnnxName OnnxWriter::quantized(OnnxName x, const OnnxCodes& codes) {
  check_codes(codes);
  if (codes.scales.size() != 1)
    argument_error(name_of_export, node().op->name, "on codes of several scales",
                   "attention of them", "");
  const OnnxName scale = number(codes.scales[0]);
  const OnnxName zero =
      constant("int8(" + std::to_string(codes.zero_point) + ")",
               Tensor::full({}, static_cast<double>(codes.zero_point), DType::s8));
  return add("DequantizeLinear", {add("QuantizeLinear", {x, scale, zero}), scale, zero});
}

OnnxName OnnxWriter::append(const char* type, OnnxNames inputs, OnnxNames outputs,
                            Attributes attributes) {
  OnnxNode made{type, text(outputs.front()), {}, {}, {}};
  for (OnnxName input : inputs) made.inputs.push_back(text(input));
  for (OnnxName output : outputs) made.outputs.push_back(text(output));
  for (const Attribute& attribute : attributes) {
    OnnxAttribute& to = made.attributes.emplace_back(OnnxAttribute{attribute.name, int64_t{0}});
    if (const auto* integer = std::get_if<int64_t>(&attribute.value)) to.value = *integer;
    if (const auto* real = std::get_if<double>(&attribute.value)) to.value = *real;
    if (const auto* list = std::get_if<Shape>(&attribute.value))
      to.value = std::vector<int64_t>(list->begin(), list->end());
  }
  model_.nodes.push_back(std::move(made));
  return outputs.front();
}

OnnxName OnnxWriter::take(const std::string& text) {
  taken_.insert(text);
  texts_.push_back(text);
  return static_cast<OnnxName>(texts_.size() - 1);
}

OnnxName OnnxWriter::unique(const std::string& wish) {
  std::string name = wish;
  for (int i = 2; taken_.count(name); ++i) name = wish + "_" + std::to_string(i);
  return take(name);
}

OnnxName OnnxWriter::of_node(const char* type) {
  return unique((node().layer.empty() ? "" : node().layer + "/") + type);
}

OnnxName OnnxWriter::initializer(const std::string& wish, const Tensor& values) {
  const OnnxName name = unique(wish);
  model_.initializers.emplace_back(text(name), contiguous(values));
  return name;
}

OnnxName OnnxWriter::parameter(int number, const Shape& dims) {
  const std::pair<int, std::vector<int64_t>> key{number, {dims.begin(), dims.end()}};
  if (const auto found = parameters_.find(key); found != parameters_.end()) return found->second;
  const Graph::Value& from = value(number);
  return parameters_[key] = initializer(wish_for(from), permute(from.constant.detach(), dims));
}

OnnxName OnnxWriter::constant(const std::string& key, const Tensor& values) {
  if (const auto found = constants_.find(key); found != constants_.end()) return found->second;
  return constants_[key] = initializer(key, values);
}

}  // namespace espalier
