// How operations couple the axes of what they read and make: which channels of a model can only go
// together (the dependency graph of Fang et al., 2023, 2301.12900). Each operation's rule stands in
// its own file, and only AxisTies reads them, so that a program that does not prune links none.
#pragma once

#include <initializer_list>
#include <vector>

#include "engine/graph.h"
#include "engine/op_table.h"

namespace espalier {

// What operations say of the axes that they work along.
enum class AxisRole : unsigned { none = 0, heads = 1, head_width = 2, normalised = 4, filters = 8 };

// The axes of a graph's values. An axis is a row-major product of factors, outer ones first: the
// last one of a packed projection is 3 x heads x head width. A factor is shared by all axes that
// lose the same indices together; it is fixed where no index may go, as in the graph's input and
// output. A factor of size 1 is none.
class AxisTies {
 public:
  using Factor = int;

  // Follows each node's rule. An operation without one fixes all it touches, and so does a constant
  // without a name, since nobody could shorten it.
  explicit AxisTies(const Graph& graph);

  // Of an axis, as far as they were told apart.
  std::vector<Factor> factors(int value, int dim) const;
  int64_t size(Factor factor) const { return at(factor).size; }
  bool fixed(Factor factor) const { return at(factor).fixed; }
  bool has(Factor factor, AxisRole role) const {
    return (at(factor).roles & static_cast<unsigned>(role)) != 0;
  }

 private:
  friend class NodeAxes;
  using Factors = std::vector<Factor>;

  struct Entry {
    int64_t size;
    Factor same_as;                 // itself, or one that stands for it
    Factor outer = -1, inner = -1;  // where it was split
    bool fixed = false;
    unsigned roles = 0;
  };

  const Entry& at(Factor factor) const { return entries_[static_cast<size_t>(factor)]; }
  Entry& at(Factor factor) { return entries_[static_cast<size_t>(factor)]; }
  Factors& axis(int value, int dim) {
    return axes_[static_cast<size_t>(value)][static_cast<size_t>(dim)];
  }
  Factor add(int64_t size);
  Factor root(Factor factor) const;
  Factors leaves(const Factors& factors) const;
  void fix(const Factors& factors);
  void mark(const Factors& factors, AxisRole role);
  void split(Factor factor, int64_t inner_size);
  void join(Factor a, Factor b);
  bool split_one(const Factors& a, const Factors& b);
  void tie(Factors a, Factors b);

  std::vector<Entry> entries_;
  std::vector<std::vector<Factors>> axes_;  // of each value, of each dimension
};

// One node's view of them, for its operation's rule.
class NodeAxes {
 public:
  static constexpr int out = -1;
  struct Axis {
    int operand;  // an input's number, or out
    int dim;      // negative from the end
  };
  using Factor = AxisTies::Factor;

  NodeAxes(AxisTies& ties, const Graph& graph, const Graph::Node& node)
      : ties_(ties), graph_(graph), node_(node) {}

  const Graph::Node& node() const { return node_; }
  int inputs() const { return static_cast<int>(node_.inputs.size()); }
  bool has(int operand) const { return value_of(operand) != Graph::absent; }
  const BatchShape& shape(int operand) const;
  int rank(int operand) const { return static_cast<int>(shape(operand).size()); }
  // An attribute that does not change with the batch.
  int64_t integer(const char* attribute) const;

  // The same index of both goes. Where sizes cannot be told apart into factors, both are fixed.
  void tie(Axis a, Axis b);
  // The axis is this product.
  void compose(Axis a, std::initializer_list<Factor> factors);
  // Both hold the same elements in row-major order.
  void tie_elements(int a, int b);
  // Axes of the same size, the last with the last and so on, as broadcasting aligns them.
  void tie_aligned(int a, int b);
  void fix(Axis a);
  void fix_all(int operand);
  void mark(Axis a, AxisRole role);
  // A factor of its own.
  Factor factor(int64_t size, AxisRole role = AxisRole::none);
  void fix(Factor factor);

 private:
  int value_of(int operand) const;
  AxisTies::Factors of(Axis axis) const;
  AxisTies::Factors of_all(int operand) const;

  AxisTies& ties_;
  const Graph& graph_;
  const Graph::Node& node_;
};

using AxisRule = void (*)(NodeAxes&);

using AxisRules = OpTable<AxisRule>;

// Every operation of the library adds its own in engine/ops/<name>.cpp, by a function
// void <name>_axis_rules(AxisRules&).
const AxisRules& axis_rules();

// The rule of what works element by element, with broadcasting.
void tie_elementwise(NodeAxes& n);

}  // namespace espalier
