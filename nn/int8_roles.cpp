#include "nn/int8_roles.h"

#include <cstring>

#include "engine/error.h"

namespace espalier {
namespace {

constexpr const char* name_of_search = "int8_roles";

bool is(const Graph::Node& node, const char* op) { return std::strcmp(node.op->name, op) == 0; }

// Walks a graph once and tells codes from the stream and from fp32.
class RoleFinder {
 public:
  explicit RoleFinder(const Graph& graph) : graph_(graph), kinds_(graph.values.size()) {
    roles_.of_node.resize(graph.nodes.size());
    roles_.other.resize(graph.nodes.size(), Graph::absent);
  }

  Int8Roles find(bool tokenizer) {
    if (tokenizer) visit_tokenizer();
    for (size_t n = 0; n < graph_.nodes.size(); ++n) visit(n);
    if (roles_.entry == Graph::absent)
      argument_error(name_of_search, "graph", "no encoder block",
                     "a layer_norm whose result only linear layers read, on a residual stream",
                     "models of other kinds have no form in whole numbers yet");
    return std::move(roles_);
  }

 private:
  enum class Kind : char { fp32, stream, codes };

  const Graph::Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }
  Kind& kind(int value) { return kinds_[static_cast<size_t>(value)]; }
  void absorb(int n, int made_before) {
    roles_.of_node[static_cast<size_t>(n)] = Int8Role::absorbed;
    roles_.other[static_cast<size_t>(n)] = made_before;
  }

  std::vector<int> readers(int value) const {
    std::vector<int> out;
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      for (int input : graph_.nodes[n].inputs)
        if (input == value) out.push_back(static_cast<int>(n));
    return out;
  }

  // Only linear layers read its result, and its input is added to later on.
  bool opens_branch(const Graph::Node& norm) const {
    for (int reader : readers(norm.output))
      if (!is(node(reader), "linear")) return false;
    for (int reader : readers(norm.inputs[0]))
      if (is(node(reader), "add")) return true;
    return false;
  }

  // The one node that reads `value`, if it is that operation; else -1.
  int only_reader(int value, const char* op) const {
    const std::vector<int> found = readers(value);
    return found.size() == 1 && is(node(found[0]), op) ? found[0] : -1;
  }

  void visit_tokenizer() {
    int value = graph_.input;
    for (int n; (n = only_reader(value, "conv2d")) >= 0; roles_.tokens = value) {
      roles_.of_node[static_cast<size_t>(n)] = Int8Role::conv;
      value = node(n).output;
      if (const int relu = only_reader(value, "relu"); relu >= 0)
        absorb(relu, value), value = node(relu).output;
      if (const int pool = only_reader(value, "max_pool2d"); pool >= 0) {
        roles_.of_node[static_cast<size_t>(pool)] = Int8Role::pool;
        value = node(pool).output;
      }
    }
  }

  void put_on_stream(int value) {
    kind(value) = Kind::stream;
    roles_.stream.push_back(value);
  }

  void visit(size_t n) {
    const Graph::Node& at = graph_.nodes[n];
    Int8Role& to = roles_.of_node[n];
    if (to != Int8Role::none) return;
    if (is(at, "layer_norm") && opens_branch(at)) {
      if (roles_.entry == Graph::absent) put_on_stream(roles_.entry = at.inputs[0]);
      if (kind(at.inputs[0]) == Kind::stream) {
        to = Int8Role::layer_norm;
        kind(at.output) = Kind::codes;
        return;
      }
    }
    if (kind(at.inputs[0]) != Kind::codes) return;
    if (is(at, "linear"))
      to = role_of_linear(at, roles_.other[n]);
    else if (is(at, "attention"))
      to = Int8Role::attention, kind(at.output) = Kind::codes;
    else
      argument_error(name_of_search, at.op->name, "codes, in layer '" + at.layer + "'",
                     "linear, attention or gelu behind the layer_norm of a block", "");
  }

  // Sets `sum` where the layer adds to a stream.
  Int8Role role_of_linear(const Graph::Node& linear, int& sum) {
    const std::vector<int> users = readers(linear.output);
    if (users.size() == 1) {
      const Graph::Node& user = node(users[0]);
      if (is(user, "attention")) {
        kind(linear.output) = Kind::codes;
        return Int8Role::linear;
      }
      if (is(user, "gelu")) {
        absorb(users[0], linear.output);
        kind(user.output) = Kind::codes;
        return Int8Role::linear_gelu;
      }
      const bool first = user.inputs[0] == linear.output;
      if (is(user, "add") && kind(user.inputs[first ? 1 : 0]) == Kind::stream) {
        sum = user.inputs[first ? 1 : 0];
        absorb(users[0], linear.output);
        put_on_stream(user.output);
        return Int8Role::add_linear;
      }
    }
    argument_error(name_of_search, "linear", "what follows layer '" + linear.layer + "'",
                   "attention, gelu or the residual sum, and nothing else", "");
  }

  const Graph& graph_;
  std::vector<Kind> kinds_;
  Int8Roles roles_;
};

}  // namespace

int Int8Roles::result_of(const Graph& graph, const Graph::Node& node) const {
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (of_node[n] == Int8Role::absorbed && other[n] == node.output) return graph.nodes[n].output;
  return node.output;
}

Int8Roles int8_roles(const Graph& graph, bool tokenizer) {
  return RoleFinder(graph).find(tokenizer);
}

}  // namespace espalier
