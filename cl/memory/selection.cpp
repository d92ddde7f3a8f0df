#include "cl/memory/selection.h"

#include "cl/memory/class_balanced.h"
#include "cl/memory/gss.h"
#include "cl/memory/herding.h"
#include "cl/memory/loss_aware.h"
#include "cl/memory/reservoir.h"
#include "engine/error.h"

namespace espalier {
namespace {

template <class S>
std::unique_ptr<Selection> make(const RetentionOptions& options) {
  return std::make_unique<S>(options);
}

struct Kind {
  const char* name;
  std::unique_ptr<Selection> (*make)(const RetentionOptions& options);
};
constexpr Kind kinds[] = {{"reservoir", make<Reservoir>},
                          {"class_balanced", make<ClassBalanced>},
                          {"loss_aware", make<LossAware>},
                          {"gss", make<GradientBased>},
                          {"herding", make<Herding>}};

}  // namespace

std::vector<std::string> selection_names() {
  std::vector<std::string> names;
  for (const Kind& kind : kinds) names.push_back(kind.name);
  return names;
}

std::unique_ptr<Selection> make_selection(const std::string& name,
                                          const RetentionOptions& options) {
  for (const Kind& kind : kinds)
    if (name == kind.name) return kind.make(options);
  std::string names;
  for (const Kind& kind : kinds) names += (names.empty() ? "" : ", ") + std::string(kind.name);
  argument_error("make_selection", "name", "'" + name + "'", "one of " + names, "");
}

}  // namespace espalier
