#include "engine/capture.h"

#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "engine/autograd.h"

namespace espalier {
namespace {

constexpr const char* name_of_capture = "capture";

// What one run called, in order. Tensors are kept, so that no address stands for two of them.
struct Trace {
  struct Call {
    const Op* op;
    std::vector<Attribute> attributes;
    std::vector<Tensor> inputs;
    Tensor output;
    std::string layer;
  };
  std::vector<Call> calls;
  std::vector<Tensor> copies;                   // that copy_() filled with what was computed
  std::unordered_set<const Storage*> computed;  // memory that depends on the input
  std::string layer;
};

thread_local Trace* tracing = nullptr;

[[noreturn]] void refuse(const char* operand, const std::string& got, const std::string& expected,
                         const std::string& fix) {
  argument_error(name_of_capture, operand, got, expected, fix);
}

// The calls that the result depends on. Of two that name one output the later counts: an op may
// call others and then record their result as its own.
std::vector<const Trace::Call*> needed_calls(const Trace& trace, const Tensor& result) {
  std::vector<const Trace::Call*> needed;
  std::unordered_set<const void*> wanted{result.id()};
  for (auto call = trace.calls.rbegin(); call != trace.calls.rend(); ++call) {
    if (!wanted.erase(call->output.id())) continue;
    needed.push_back(&*call);
    for (const Tensor& input : call->inputs)
      if (input.defined()) wanted.insert(input.id());
  }
  return {needed.rbegin(), needed.rend()};
}

// A graph of one run: every number is `fixed`.
class Builder {
 public:
  Builder(const Trace& trace, const Tensor& input, const NamedTensors& parameters) : trace_(trace) {
    for (const auto& [name, tensor] : parameters) names_[tensor.id()] = name;
    graph_.input = add_value(input);
  }

  Graph build(const Tensor& result) {
    const std::vector<const Trace::Call*> calls = needed_calls(trace_, result);
    for (const Trace::Call* call : calls) add_call(*call);
    const auto found = numbers_.find(result.id());
    if (calls.empty() || found == numbers_.end())
      refuse("function", "a result that no operation made", "operations on the input",
             "does it return its input, or a tensor that it keeps?");
    graph_.output = found->second;
    if (!from_input())
      refuse("function", "a result that was not computed from the input", "operations on the input",
             "does it leave its argument out?");
    return std::move(graph_);
  }

 private:
  static BatchShape fixed(const Shape& shape) {
    BatchShape out;
    for (int64_t dim : shape) out.push_back({0, dim});
    return out;
  }

  static Graph::Attribute owned(const Attribute& attribute) {
    Graph::Attribute out{attribute.name, 0.0};
    if (const auto* number = std::get_if<int64_t>(&attribute.value))
      out.value = BatchDim{0, *number};
    if (const auto* number = std::get_if<double>(&attribute.value)) out.value = *number;
    if (const auto* text = std::get_if<const char*>(&attribute.value)) out.value = *text;
    if (const auto* shape = std::get_if<Shape>(&attribute.value)) out.value = fixed(*shape);
    return out;
  }

  // Whether a path of nodes leads from the input to the output.
  bool from_input() const {
    std::vector<char> reached(graph_.values.size());
    reached[static_cast<size_t>(graph_.input)] = true;
    for (const Graph::Node& node : graph_.nodes)
      for (int input : node.inputs)
        if (input != Graph::absent && reached[static_cast<size_t>(input)])
          reached[static_cast<size_t>(node.output)] = true;
    return reached[static_cast<size_t>(graph_.output)];
  }

  int add_value(const Tensor& tensor) {
    const int number = static_cast<int>(graph_.values.size());
    graph_.values.push_back({fixed(tensor.shape()), tensor.dtype()});
    numbers_[tensor.id()] = number;
    return number;
  }

  int operand(const Op& op, const Tensor& tensor) {
    if (!tensor.defined()) return Graph::absent;
    if (const auto found = numbers_.find(tensor.id()); found != numbers_.end())
      return found->second;
    if (trace_.computed.count(tensor.storage().get()))
      refuse(op.name,
             tensor.describe() + " that detach() or copy_() took from the operation that made it",
             "the tensor itself", "leave out detach() and copy_() in forward()");
    const int number = add_value(tensor);
    graph_.values.back().constant = tensor;
    if (const auto name = names_.find(tensor.id()); name != names_.end())
      graph_.values.back().name = name->second;
    return number;
  }

  void add_call(const Trace::Call& call) {
    Graph::Node node{call.op, {}, {}, Graph::absent, call.layer};
    for (const Attribute& attribute : call.attributes) node.attributes.push_back(owned(attribute));
    for (const Tensor& input : call.inputs) node.inputs.push_back(operand(*call.op, input));
    node.output = add_value(call.output);
    graph_.values.back().producer = static_cast<int>(graph_.nodes.size());
    graph_.nodes.push_back(std::move(node));
  }

  const Trace& trace_;
  Graph graph_;
  std::unordered_map<const void*, int> numbers_;
  std::unordered_map<const void*, std::string> names_;
};

// Runs at two batches are joined into one graph whose numbers are linear in the batch; a third run
// proves that they are. Not batch 1, which broadcasts.
constexpr int64_t first_batch = 2, second_batch = 3, third_batch = 5;

BatchDim line_through(const BatchDim& first, const BatchDim& second) {
  const int64_t per_sample = (second.fixed - first.fixed) / (second_batch - first_batch);
  return {per_sample, first.fixed - per_sample * first_batch};
}

void check_same_rank(const char* op, const BatchShape& a, const BatchShape& b) {
  if (a.size() != b.size()) refuse(op, "a shape whose rank changes with the batch", "one rank", "");
}

BatchShape line_through(const char* op, const BatchShape& first, const BatchShape& second) {
  check_same_rank(op, first, second);
  BatchShape out;
  for (size_t i = 0; i < first.size(); ++i) out.push_back(line_through(first[i], second[i]));
  return out;
}

// Of a real number or a text, which do not grow.
void check_same_attribute(const char* op, const Graph::Attribute& a, const Graph::Attribute& b) {
  const auto* real = std::get_if<double>(&a.value);
  if (real ? *real != std::get<double>(b.value)
           : std::strcmp(std::get<const char*>(a.value), std::get<const char*>(b.value)) != 0)
    refuse(op, std::string("attribute ") + a.name + " that changes with the batch",
           "one that does not", "");
}

void check_same_constant(const Graph::Value& first, const Graph::Value& second) {
  const Tensor &a = first.constant, &b = second.constant;
  if (!a.defined() || a.same(b)) return;
  if (first.name != second.name || a.describe() != b.describe() || a.to_vector() != b.to_vector())
    refuse("function", "constant " + a.describe() + " that changes with the batch",
           "parameters, and constants that are the same in every call",
           "broadcast instead of making a tensor of the batch's size");
}

void join_attribute(const char* op, Graph::Attribute& first, const Graph::Attribute& second) {
  if (auto* number = std::get_if<BatchDim>(&first.value))
    *number = line_through(*number, std::get<BatchDim>(second.value));
  else if (auto* shape = std::get_if<BatchShape>(&first.value))
    *shape = line_through(op, *shape, std::get<BatchShape>(second.value));
  else
    check_same_attribute(op, first, second);
}

void join_value(Graph::Value& first, const Graph::Value& second) {
  first.shape = line_through("value", first.shape, second.shape);
  check_same_constant(first, second);
}

void check_same_calls(const Graph& first, const Graph& second) {
  bool same = first.nodes.size() == second.nodes.size();
  for (size_t i = 0; same && i < first.nodes.size(); ++i) {
    const Graph::Node &a = first.nodes[i], &b = second.nodes[i];
    same = a.op == b.op && a.inputs == b.inputs && a.output == b.output && a.layer == b.layer;
  }
  if (!same)
    refuse("function", "operations that change with the batch", "the same at any batch", "");
}

Graph join(Graph first, const Graph& second) {
  check_same_calls(first, second);
  for (size_t i = 0; i < first.values.size(); ++i) join_value(first.values[i], second.values[i]);
  for (size_t i = 0; i < first.nodes.size(); ++i)
    for (size_t a = 0; a < first.nodes[i].attributes.size(); ++a)
      join_attribute(first.nodes[i].op->name, first.nodes[i].attributes[a],
                     second.nodes[i].attributes[a]);
  return first;
}

void check_line(const char* op, const BatchShape& line, const BatchShape& run) {
  check_same_rank(op, line, run);
  for (size_t i = 0; i < line.size(); ++i)
    if (line[i].at(third_batch) != run[i].fixed)
      refuse(op, "a number that grows with the batch in curves", "a * batch + b", "");
}

void check_attribute(const char* op, const Graph::Attribute& line, const Graph::Attribute& run) {
  if (const auto* number = std::get_if<BatchDim>(&line.value))
    check_line(op, {*number}, {std::get<BatchDim>(run.value)});
  else if (const auto* shape = std::get_if<BatchShape>(&line.value))
    check_line(op, *shape, std::get<BatchShape>(run.value));
  else
    check_same_attribute(op, line, run);
}

void check_lines(const Graph& lines, const Graph& run) {
  check_same_calls(lines, run);
  for (size_t i = 0; i < lines.values.size(); ++i) {
    check_line("function", lines.values[i].shape, run.values[i].shape);
    check_same_constant(lines.values[i], run.values[i]);
  }
  for (size_t i = 0; i < lines.nodes.size(); ++i)
    for (size_t a = 0; a < lines.nodes[i].attributes.size(); ++a)
      check_attribute(lines.nodes[i].op->name, lines.nodes[i].attributes[a],
                      run.nodes[i].attributes[a]);
}

class Tracing {
 public:
  explicit Tracing(Trace& trace) { tracing = &trace; }
  ~Tracing() { tracing = nullptr; }
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;
};

Graph graph_at(const std::function<Tensor(const Tensor&)>& function, const Shape& sample,
               const NamedTensors& parameters, int64_t batch) {
  Shape shape{batch};
  for (int64_t dim : sample) shape.push_back(dim);
  const Tensor input = Tensor::zeros(shape);
  Trace trace;
  trace.computed.insert(input.storage().get());
  Tensor result;
  {
    const Tracing on(trace);
    result = function(input);
  }
  check_defined(name_of_capture, "function", result);
  return Builder(trace, input, parameters).build(result);
}

}  // namespace

Graph capture(const std::function<Tensor(const Tensor&)>& function, const Shape& sample,
              const NamedTensors& parameters) {
  refuse_in_capture(name_of_capture);
  const NoGradGuard off;
  Graph graph = join(graph_at(function, sample, parameters, first_batch),
                     graph_at(function, sample, parameters, second_batch));
  check_lines(graph, graph_at(function, sample, parameters, third_batch));
  return graph;
}

LayerScope::LayerScope(const std::string& name) {
  if (!tracing || name.empty()) return;
  open_ = true;
  std::string& layer = tracing->layer;
  length_before_ = layer.size();
  if (!layer.empty()) layer += '.';
  layer += name;
}

LayerScope::~LayerScope() {
  if (open_ && tracing) tracing->layer.resize(length_before_);
}

void capture_call(const Op& op, Attributes attributes, Inputs inputs, const Tensor& output) {
  if (!tracing) return;
  tracing->calls.push_back(
      {&op, attributes, {inputs.begin(), inputs.end()}, output, tracing->layer});
  if (!op.view) tracing->computed.insert(output.storage().get());
}

void capture_copy(const Tensor& to, const Tensor& from) {
  if (!tracing || !tracing->computed.count(from.storage().get())) return;
  if (tracing->computed.insert(to.storage().get()).second) tracing->copies.push_back(to);
}

void refuse_in_capture(const char* function) {
  if (tracing)
    refuse(function, "called during a capture", "operations on tensors only",
           "a graph has no branches that depend on values");
}

}  // namespace espalier
