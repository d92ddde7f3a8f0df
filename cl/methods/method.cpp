#include "cl/methods/method.h"

#include <algorithm>

#include "cl/ledger.h"
#include "cl/methods/a_gem.h"
#include "cl/methods/adapter.h"
#include "cl/methods/der_pp.h"
#include "cl/methods/er.h"
#include "cl/methods/er_ace.h"
#include "cl/methods/ewc_online.h"
#include "cl/methods/frozen.h"
#include "cl/methods/icarl.h"
#include "cl/methods/joint.h"
#include "cl/methods/latent_replay.h"
#include "cl/methods/lora.h"
#include "cl/methods/lwf.h"
#include "cl/methods/multimodal.h"
#include "cl/methods/ncm.h"
#include "cl/methods/prompts.h"
#include "engine/error.h"
#include "engine/ops/cross_entropy.h"

namespace espalier {
namespace {

template <class M>
std::unique_ptr<Method> make(const LearnConfig& config) {
  return std::make_unique<M>(config);
}

std::unique_ptr<Method> make_naive(const LearnConfig&) { return std::make_unique<Method>(); }

struct MethodKind {
  const char* name;
  std::unique_ptr<Method> (*make)(const LearnConfig& config);
};
// In the order in which a newcomer would read them.
constexpr MethodKind method_kinds[] = {
    {"naive", make_naive},
    {"joint", make<JointTraining>},
    {"er", make<ExperienceReplay>},
    {"der", make<DarkReplay>},
    {"der_pp", make<DarkReplayWithLabels>},
    {"er_ace", make<AsymmetricReplay>},
    {"a_gem", make<AveragedGem>},
    {"ewc_online", make<OnlineEwc>},
    {"lwf", make<LearningWithoutForgetting>},
    {"icarl", make<Icarl>},
    {"ncm", make<NearestClassMean>},
    {"frozen", make<FrozenTrunk>},
    {"latent_replay", make<LatentReplay>},
    {"lora", make<Lora>},
    {"adapter", make<AdapterReplay>},
    {"prompts", make<PromptReplay>},
    {"multimodal", make<Multimodal>},
};

}  // namespace

Tensor Method::loss(const Learner&, const BatchPart& part) const {
  return cross_entropy(part.logits, part.labels());
}

void Method::after_step(Learner& learner, const StepBatch& batch) {
  if (!learner.memory) return;
  learner.selection->renew(*learner.memory, batch);
  if (learner.epoch == 0) keep_new_rows(learner, batch);
}

Tensor Method::scores(const Learner& learner, const Tensor& images) const {
  return logits_of(learner, images);
}

double Method::work_of_row(Learner& learner) const {
  return multiply_accumulates(*learner.network);
}

int64_t Method::bytes_kept(const Learner&) const {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : state_dict())
    bytes += tensor.numel() * static_cast<int64_t>(dtype_size(tensor.dtype()));
  return bytes;
}

void Method::load_state_dict(const Learner&, const NamedTensors& state) {
  if (!state.empty())
    argument_error("Method::load_state_dict", "state", state.front().first, "none",
                   "the checkpoint is of another method");
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const MethodKind& kind : method_kinds) names.push_back(kind.name);
  return names;
}

std::unique_ptr<Method> make_method(const LearnConfig& config) {
  check_one_of("make_method", "method", config.method, method_names());
  return std::find_if(std::begin(method_kinds), std::end(method_kinds),
                      [&](const MethodKind& kind) { return config.method == kind.name; })
      ->make(config);
}

}  // namespace espalier
