#include "nn/int8_roles.h"

#include <algorithm>

#include "engine/error.h"

namespace espalier {
namespace {

constexpr const char* name_of_search = "int8_roles";

bool names(const std::string& name, const std::string& layer) {
  return layer == name || layer.starts_with(name + ".");
}

// Walks a graph once and tells codes from the stream and from fp32.
class RoleFinder {
 public:
  RoleFinder(const Graph& graph, const KeptLayers& kept)
      : graph_(graph), kept_(kept), kinds_(graph.values.size()) {
    roles_.of_node.resize(graph.nodes.size());
    roles_.other.resize(graph.nodes.size(), Graph::absent);
  }

  Int8Roles find() {
    for (const std::string& name : kept_) check_known(name);
    visit_tokenizer();
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      if (becomes_codes(graph_.nodes[n])) last_norm_ = n;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) visit(n);
    if (roles_.stream.empty())
      argument_error(name_of_search, "graph", "no encoder block",
                     "a layer_norm whose result only linear layers read, on a residual stream",
                     kept_.empty() ? "models of other kinds have no form in whole numbers yet"
                                   : "keep less of it in floats");
    return std::move(roles_);
  }

  std::vector<Int8Part> parts() const {
    std::vector<Int8Part> out;
    for (const Opener& opener : openers()) {
      Int8Part part{opener.layer.substr(0, opener.layer.rfind('.')), opener.norm};
      if (out.empty() || out.back().name != part.name) out.push_back(std::move(part));
    }
    return out;
  }

 private:
  enum class Kind : char { fp32, stream, codes };

  // A convolution that the input goes through, or the first linear layer of a branch.
  struct Opener {
    std::string layer, norm;
  };
  std::vector<Opener> openers() const {
    std::vector<Opener> out;
    for (const int n : tokenizer()) out.push_back({node(n).layer, ""});
    for (const Graph::Node& at : graph_.nodes)
      if (is_op(at, "layer_norm") && opens_branch(at))
        out.push_back({first_linear(at).layer, at.layer});
    return out;
  }

  void check_known(const std::string& name) const {
    for (const Opener& opener : openers())
      if (names(name, opener.layer)) return;
    std::string known;
    for (const Int8Part& part : parts()) known += (known.empty() ? "" : ", ") + part.name;
    argument_error(name_of_search, "kept layer", "'" + name + "'", "one of " + known, "");
  }

  bool is_kept(const Graph::Node& at) const {
    return std::any_of(kept_.begin(), kept_.end(),
                       [&](const std::string& name) { return names(name, at.layer); });
  }
  const Graph::Node& first_linear(const Graph::Node& norm) const {
    return node(readers(norm.output)[0]);
  }
  bool becomes_codes(const Graph::Node& at) const {
    return is_op(at, "layer_norm") && opens_branch(at) && !is_kept(first_linear(at));
  }

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
    if (readers(norm.output).empty()) return false;
    for (int reader : readers(norm.output))
      if (!is_op(node(reader), "linear")) return false;
    for (int reader : readers(norm.inputs[0]))
      if (is_op(node(reader), "add")) return true;
    return false;
  }

  // The one node that reads `value`, if it is that operation; else -1.
  int only_reader(int value, const char* op) const {
    const std::vector<int> found = readers(value);
    return found.size() == 1 && is_op(node(found[0]), op) ? found[0] : -1;
  }

  std::vector<int> tokenizer() const {
    std::vector<int> convolutions;
    int value = graph_.input;
    for (int n; (n = only_reader(value, "conv2d")) >= 0; value = behind(n))
      convolutions.push_back(n);
    return convolutions;
  }

  // What a convolution's ReLU and pooling make of its result, if they follow.
  int behind(int conv) const {
    int value = node(conv).output;
    for (const char* op : {"relu", "max_pool2d"})
      if (const int n = only_reader(value, op); n >= 0) value = node(n).output;
    return value;
  }

  void visit_tokenizer() {
    for (const int n : tokenizer()) {
      if (is_kept(node(n))) return;
      roles_.of_node[static_cast<size_t>(n)] = Int8Role::conv;
      const int value = node(n).output, relu = only_reader(value, "relu");
      if (relu >= 0) absorb(relu, value);
      const int pool = only_reader(relu >= 0 ? node(relu).output : value, "max_pool2d");
      if (pool >= 0) roles_.of_node[static_cast<size_t>(pool)] = Int8Role::pool;
      roles_.tokens = behind(n);
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
    if (becomes_codes(at)) {
      if (roles_.stream.empty()) put_on_stream(at.inputs[0]);
      if (kind(at.inputs[0]) == Kind::stream) {
        to = Int8Role::layer_norm;
        kind(at.output) = Kind::codes;
        return;
      }
    }
    // What a branch in floats adds to the stream stays there while whole numbers follow.
    if (is_op(at, "add") && n < last_norm_ &&
        (kind(at.inputs[0]) == Kind::stream || kind(at.inputs[1]) == Kind::stream))
      return put_on_stream(at.output);
    if (kind(at.inputs[0]) != Kind::codes) return;
    if (is_op(at, "linear"))
      to = role_of_linear(at, roles_.other[n]);
    else if (is_op(at, "attention"))
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
      if (is_op(user, "attention")) {
        kind(linear.output) = Kind::codes;
        return Int8Role::linear;
      }
      if (is_op(user, "gelu")) {
        absorb(users[0], linear.output);
        kind(user.output) = Kind::codes;
        return Int8Role::linear_gelu;
      }
      const bool first = user.inputs[0] == linear.output;
      if (is_op(user, "add") && kind(user.inputs[first ? 1 : 0]) == Kind::stream) {
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
  const KeptLayers& kept_;
  size_t last_norm_ = 0;  // of those that make codes
  std::vector<Kind> kinds_;
  Int8Roles roles_;
};

}  // namespace

int Int8Roles::result_of(const Graph& graph, const Graph::Node& node) const {
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (of_node[n] == Int8Role::absorbed && other[n] == node.output) return graph.nodes[n].output;
  return node.output;
}

bool Int8Roles::on_stream(int value) const {
  return std::find(stream.begin(), stream.end(), value) != stream.end();
}

bool Int8Part::holds(const std::string& layer) const { return layer == norm || names(name, layer); }

std::vector<Int8Part> int8_parts(const Graph& graph) { return RoleFinder(graph, {}).parts(); }

Int8Roles int8_roles(const Graph& graph, const KeptLayers& kept) {
  return RoleFinder(graph, kept).find();
}

}  // namespace espalier
