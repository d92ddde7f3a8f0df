#include "cl/memory/selection.h"

#include <algorithm>

#include "cl/memory/class_balanced.h"
#include "cl/memory/gss.h"
#include "cl/memory/herding.h"
#include "cl/memory/loss_aware.h"
#include "cl/memory/reservoir.h"
#include "engine/error.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

template <class S>
std::unique_ptr<Selection> make(const RetentionOptions& options) {
  return std::make_unique<S>(options);
}

struct SelectionKind {
  const char* name;
  std::unique_ptr<Selection> (*make)(const RetentionOptions& options);
};
constexpr SelectionKind selection_kinds[] = {{"reservoir", make<Reservoir>},
                                             {"class_balanced", make<ClassBalanced>},
                                             {"loss_aware", make<LossAware>},
                                             {"gss", make<GradientBased>},
                                             {"herding", make<Herding>}};

}  // namespace

NamedTensors CountingSelection::state_dict() const {
  return {{"seen", Tensor::of<int64_t>({seen_}, {1})}};
}

void CountingSelection::load(NamedTensors others, const NamedTensors& state) {
  const Tensor seen = Tensor::zeros({1}, DType::s64);
  others.emplace_back("seen", seen);
  copy_named("Selection", others, state);
  seen_ = seen.data<int64_t>()[0];
}

std::vector<std::string> selection_names() {
  std::vector<std::string> names;
  for (const SelectionKind& kind : selection_kinds) names.push_back(kind.name);
  return names;
}

std::unique_ptr<Selection> make_selection(const std::string& name,
                                          const RetentionOptions& options) {
  check_one_of("make_selection", "name", name, selection_names());
  return std::find_if(std::begin(selection_kinds), std::end(selection_kinds),
                      [&](const SelectionKind& kind) { return name == kind.name; })
      ->make(options);
}

}  // namespace espalier
