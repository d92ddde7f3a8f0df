#include "nn/coded_weights.h"

#include <algorithm>
#include <functional>

#include "engine/error.h"
#include "engine/ops/linear_dynamic.h"
#include "engine/ops/linear_wq.h"
#include "engine/replay.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

constexpr const char* name_of_coding = "coded_graph";

class CodedCalls {
 public:
  CodedCalls(const Graph& graph, const NamedTensors& parameters, int64_t group_size, bool dynamic)
      : graph_(graph), parameters_(parameters), group_size_(group_size), dynamic_(dynamic) {
    for (size_t v = 0; v < graph.values.size(); ++v) check(static_cast<int>(v));
  }

  Tensor operator()(const NodeCall& call) const {
    const Tensor* codes = is_linear(call.node) ? codes_of(call.node.inputs[1]) : nullptr;
    if (!codes) return call.run();
    const Tensor& scales = *find_named(parameters_, scale_of(name(call.node.inputs[1])));
    if (dynamic_) return linear_dynamic(call.in(0), *codes, scales, call.in(2));
    const int64_t all = std::max<int64_t>(1, call.in(0).shape().back());
    return linear_wq(call.in(0), {*codes, scales, group_size_ ? group_size_ : all}, call.in(2));
  }

 private:
  static bool is_linear(const Graph::Node& node) { return is_op(node, "linear"); }
  const std::string& name(int value) const {
    return graph_.values[static_cast<size_t>(value)].name;
  }
  // Null for what is f32.
  const Tensor* codes_of(int value) const {
    const Tensor* found = name(value).empty() ? nullptr : find_named(parameters_, name(value));
    return found && found->dtype() != DType::f32 ? found : nullptr;
  }

  void check(int value) const {
    if (!codes_of(value)) return;
    for (const Graph::Node& node : graph_.nodes)
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] == value && !(is_linear(node) && i == 1))
          argument_error(name_of_coding, name(value).c_str(), codes_of(value)->describe(), "f32",
                         "only the weights of linear layers come in codes");
    if (!find_named(parameters_, scale_of(name(value))))
      argument_error(name_of_coding, "parameters", "no '" + scale_of(name(value)) + "'", "one", "");
  }

  const Graph& graph_;
  const NamedTensors& parameters_;
  const int64_t group_size_;
  const bool dynamic_;
};

}  // namespace

std::string scale_of(const std::string& weight) { return weight + "_scale"; }

Graph coded_graph(const Graph& graph, const NamedTensors& parameters, int64_t group_size,
                  bool dynamic) {
  const CodedCalls calls(graph, parameters, group_size, dynamic);
  const NodeRule rule = std::cref(calls);
  return rewritten(graph, parameters, [&](const Tensor& x) { return replay(graph, x, rule); });
}

}  // namespace espalier
