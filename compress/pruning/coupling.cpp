#include "compress/pruning/coupling.h"

#include <map>

#include "engine/axes.h"
#include "engine/error.h"

namespace espalier {
namespace {

GroupKind kind_of(const AxisTies& ties, AxisTies::Factor factor) {
  if (ties.has(factor, AxisRole::heads)) return GroupKind::head;
  if (ties.has(factor, AxisRole::head_width)) return GroupKind::head_width;
  if (ties.has(factor, AxisRole::normalised)) return GroupKind::embedding;
  if (ties.has(factor, AxisRole::filters)) return GroupKind::conv_channel;
  return GroupKind::hidden;
}

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph), ties_(graph) {}

  Coupling find() {
    for (size_t v = 0; v < graph_.values.size(); ++v)
      if (!graph_.values[v].name.empty()) add_members(static_cast<int>(v));
    for (size_t v = 0; v < graph_.values.size(); ++v)
      coupling_.of_value.push_back(groups_of(static_cast<int>(v)));
    return std::move(coupling_);
  }

 private:
  int rank(int value) const {
    return static_cast<int>(graph_.values[static_cast<size_t>(value)].shape.size());
  }

  void add_members(int parameter) {
    for (int dim = 0; dim < rank(parameter); ++dim) {
      const std::vector<AxisTies::Factor> factors = ties_.factors(parameter, dim);
      int64_t stride = 1;
      for (auto factor = factors.rbegin(); factor != factors.rend(); ++factor) {
        if (!ties_.fixed(*factor))
          group(*factor).members.push_back(
              {graph_.values[static_cast<size_t>(parameter)].name, dim, stride});
        stride *= ties_.size(*factor);
      }
    }
  }

  PruningGroup& group(AxisTies::Factor factor) {
    const auto [found, fresh] =
        number_of_.emplace(factor, static_cast<int>(coupling_.groups.size()));
    if (fresh) coupling_.groups.push_back({kind_of(ties_, factor), ties_.size(factor), {}});
    return coupling_.groups[static_cast<size_t>(found->second)];
  }

  std::vector<std::vector<int>> groups_of(int value) const {
    std::vector<std::vector<int>> of_dim;
    for (int dim = 0; dim < rank(value); ++dim) {
      std::vector<int>& groups = of_dim.emplace_back();
      for (AxisTies::Factor factor : ties_.factors(value, dim))
        if (const auto found = number_of_.find(factor); found != number_of_.end())
          groups.push_back(found->second);
    }
    return of_dim;
  }

  const Graph& graph_;
  const AxisTies ties_;
  std::map<AxisTies::Factor, int> number_of_;
  Coupling coupling_;
};

}  // namespace

const char* name_of(GroupKind kind) {
  switch (kind) {
    case GroupKind::hidden:
      return "hidden";
    case GroupKind::head:
      return "heads";
    case GroupKind::head_width:
      return "head_width";
    case GroupKind::embedding:
      return "embedding";
    case GroupKind::conv_channel:
      break;
  }
  return "conv";
}

GroupKind group_kind_of(const std::string& name) {
  std::string known;
  for (GroupKind kind : group_kinds) {
    if (name == name_of(kind)) return kind;
    known += (known.empty() ? "" : ", ") + std::string(name_of(kind));
  }
  argument_error("pruning", "dimension", "'" + name + "'", "one of " + known, "");
}

Coupling find_coupling(const Graph& graph) { return Finder(graph).find(); }

}  // namespace espalier
