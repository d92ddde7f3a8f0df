// Which samples stay in memory when there is no more room.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cl/memory/replay_memory.h"

namespace espalier {

struct Learner;
struct StepBatch;

// A sample that a step has just learned from.
struct Offer {
  int64_t label = 0;
  float score = 0;  // by Selection::judge(), of policies that keep one
};

// Offered every sample of the stream once, in order, however many epochs its task has: one that
// came again would have another chance to stay, or stay twice. Random numbers are functions of the
// seed and of how many were offered, which is part of the state, so a resumed run chooses the same.
class Selection {
 public:
  virtual ~Selection() = default;

  // Whether every record has a score of this policy, which counts in its bytes.
  virtual bool keeps_score() const { return false; }
  // Called once after each step: a policy that keeps scores may renew those of the rows that were
  // replayed.
  virtual void renew(ReplayMemory&, const StepBatch&) {}
  // Called after that where the new rows of the step are offered, and before they are: a policy
  // that keeps scores gives the candidates, which are those rows, theirs.
  virtual void judge(Learner&, const StepBatch&, std::vector<Offer>&) {}
  // The slot for it, at most memory.size(), or none where it is let go. Constant time, unless the
  // policy says otherwise.
  virtual std::optional<int64_t> slot_for(const Offer& candidate, const ReplayMemory& memory) = 0;
  // Called after the method's hook of that name, with the learner still at the task.
  virtual void after_task(Learner&) {}

  virtual NamedTensors state_dict() const = 0;
  virtual void load_state_dict(const NamedTensors& state) = 0;
};

struct RetentionOptions {
  uint64_t seed = 1;
  int64_t classes = 10;  // of the stream: labels are below it
};

// A policy whose state is how many samples it was offered, where others keep more beside it.
class CountingSelection : public Selection {
 public:
  explicit CountingSelection(const RetentionOptions& options) : seed_(options.seed) {}
  NamedTensors state_dict() const override;
  void load_state_dict(const NamedTensors& state) override { load({}, state); }

 protected:
  // The count, and `others`, which are copied into.
  void load(NamedTensors others, const NamedTensors& state);

  const uint64_t seed_;
  int64_t seen_ = 0;
};

// "reservoir", "class_balanced", "loss_aware", "gss", "herding".
std::vector<std::string> selection_names();
// An argument error with the names for another.
std::unique_ptr<Selection> make_selection(const std::string& name, const RetentionOptions& options);

}  // namespace espalier
