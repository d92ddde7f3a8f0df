#include "engine/axes.h"

#include "engine/filled_table.h"

namespace espalier {

ESPALIER_FILLED_TABLE(AxisRules, axis_rules)

namespace {

// Sizes are taken at a batch that no other dimension is a multiple of, so that what grows with it
// is told from what does not.
constexpr int64_t batch = 1'000'003;

}  // namespace

AxisTies::AxisTies(const Graph& graph) {
  for (const Graph::Value& value : graph.values) {
    std::vector<Factors>& axes = axes_.emplace_back();
    for (const BatchDim& dim : value.shape) {
      const int64_t size = dim.at(batch);
      Factors& factors = axes.emplace_back();
      if (size > 1) factors.push_back(add(size));
      if (dim.per_sample != 0 || (value.constant.defined() && value.name.empty())) fix(factors);
    }
  }
  for (int value : {graph.input, graph.output})
    for (const Factors& factors : axes_[static_cast<size_t>(value)]) fix(factors);
  for (const Graph::Node& node : graph.nodes) {
    NodeAxes axes(*this, graph, node);
    if (const AxisRule rule = axis_rules().find(*node.op)) {
      rule(axes);
      continue;
    }
    axes.fix_all(NodeAxes::out);
    for (int input = 0; input < axes.inputs(); ++input)
      if (axes.has(input)) axes.fix_all(input);
  }
}

std::vector<AxisTies::Factor> AxisTies::factors(int value, int dim) const {
  return leaves(axes_[static_cast<size_t>(value)][static_cast<size_t>(dim)]);
}

AxisTies::Factor AxisTies::add(int64_t size) {
  const auto number = static_cast<Factor>(entries_.size());
  entries_.push_back({size, number});
  return number;
}

AxisTies::Factor AxisTies::root(Factor factor) const {
  while (at(factor).same_as != factor) factor = at(factor).same_as;
  return factor;
}

AxisTies::Factors AxisTies::leaves(const Factors& factors) const {
  Factors out, open(factors.rbegin(), factors.rend());
  while (!open.empty()) {
    const Factor next = root(open.back());
    open.pop_back();
    if (at(next).outer < 0) {
      out.push_back(next);
      continue;
    }
    open.push_back(at(next).inner);
    open.push_back(at(next).outer);
  }
  return out;
}

void AxisTies::fix(const Factors& factors) {
  for (Factor factor : leaves(factors)) at(factor).fixed = true;
}

void AxisTies::mark(const Factors& factors, AxisRole role) {
  for (Factor factor : leaves(factors)) at(factor).roles |= static_cast<unsigned>(role);
}

void AxisTies::split(Factor factor, int64_t inner_size) {
  const Factor outer = add(at(factor).size / inner_size), inner = add(inner_size);
  for (Factor part : {outer, inner}) {
    at(part).fixed = at(factor).fixed;
    at(part).roles = at(factor).roles;
  }
  at(factor).outer = outer;
  at(factor).inner = inner;
}

void AxisTies::join(Factor a, Factor b) {
  at(b).same_as = a;
  at(a).fixed |= at(b).fixed;
  at(a).roles |= at(b).roles;
}

// Splits the first factor, from the inner end, that the other side has in parts. False where both
// sides have the same sizes, or no split helps.
bool AxisTies::split_one(const Factors& a, const Factors& b) {
  for (auto i = a.rbegin(), j = b.rbegin(); i != a.rend() && j != b.rend(); ++i, ++j) {
    const int64_t m = size(*i), n = size(*j);
    if (m == n) continue;
    if (m % n != 0 && n % m != 0) return false;
    split(m > n ? *i : *j, std::min(m, n));
    return true;
  }
  return false;
}

void AxisTies::tie(Factors a, Factors b) {
  do {
    a = leaves(a);
    b = leaves(b);
  } while (split_one(a, b));
  while (!a.empty() && !b.empty() && size(a.back()) == size(b.back())) {
    const Factor x = root(a.back()), y = root(b.back());
    if (x != y) join(x, y);
    a.pop_back();
    b.pop_back();
  }
  fix(a);
  fix(b);
}

int NodeAxes::value_of(int operand) const {
  return operand == out ? node_.output : node_.inputs[static_cast<size_t>(operand)];
}

const BatchShape& NodeAxes::shape(int operand) const {
  return graph_.values[static_cast<size_t>(value_of(operand))].shape;
}

int64_t NodeAxes::integer(const char* name) const { return attribute<BatchDim>(node_, name).fixed; }

AxisTies::Factors NodeAxes::of(Axis axis) const {
  const int dim = axis.dim < 0 ? axis.dim + rank(axis.operand) : axis.dim;
  return ties_.axis(value_of(axis.operand), dim);
}

AxisTies::Factors NodeAxes::of_all(int operand) const {
  AxisTies::Factors all;
  for (int dim = 0; dim < rank(operand); ++dim)
    for (Factor factor : of({operand, dim})) all.push_back(factor);
  return all;
}

void NodeAxes::tie(Axis a, Axis b) { ties_.tie(of(a), of(b)); }

void NodeAxes::compose(Axis a, std::initializer_list<Factor> factors) {
  AxisTies::Factors product;
  for (Factor factor : factors)
    if (ties_.size(factor) > 1) product.push_back(factor);
  ties_.tie(of(a), product);
}

void NodeAxes::tie_elements(int a, int b) { ties_.tie(of_all(a), of_all(b)); }

void NodeAxes::tie_aligned(int a, int b) {
  for (int i = 1; i <= std::min(rank(a), rank(b)); ++i) {
    const auto size = [i](const BatchShape& shape) {
      return shape[shape.size() - static_cast<size_t>(i)];
    };
    if (size(shape(a)) == size(shape(b))) tie({a, -i}, {b, -i});
  }
}

void NodeAxes::fix(Axis a) { ties_.fix(of(a)); }
void NodeAxes::fix_all(int operand) { ties_.fix(of_all(operand)); }
void NodeAxes::mark(Axis a, AxisRole role) { ties_.mark(of(a), role); }

NodeAxes::Factor NodeAxes::factor(int64_t size, AxisRole role) {
  const Factor added = ties_.add(size);
  ties_.mark({added}, role);
  return added;
}

void NodeAxes::fix(Factor factor) { ties_.fix({factor}); }

void tie_elementwise(NodeAxes& n) {
  for (int input = 0; input < n.inputs(); ++input)
    if (n.has(input)) n.tie_aligned(input, NodeAxes::out);
}

}  // namespace espalier
