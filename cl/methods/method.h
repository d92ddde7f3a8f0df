// A method of continual learning: six hooks, each of which does what plain training does unless a
// method says otherwise. One file and one test make another one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cl/learner.h"

namespace espalier {

class Method {
 public:
  virtual ~Method() = default;

  // Whether there is a memory, how many draws from it join each step (none where a strength of 0
  // makes them useless), whether it keeps the logits of a sample, and whether it keeps of a sample
  // what enters the stage `latent_stage`, and not the image.
  virtual bool uses_memory() const { return false; }
  virtual int draws() const { return 0; }
  virtual bool keeps_logits() const { return false; }
  virtual bool keeps_latents() const { return false; }
  // Whether a sample in memory keeps the number of the text that it came with, whether the loss is
  // one of all rows of a step (StepBatch::together), and whether scores speak for classes that were
  // not learned yet, so that zero-shot accuracy (cl/zero_shot.h) says something.
  virtual bool keeps_texts() const { return false; }
  virtual bool compares_rows() const { return false; }
  virtual bool names_unseen() const { return false; }
  // What it trains on a stream as taught() gives it: the configuration's network, unless it wants
  // another one around that.
  virtual std::unique_ptr<StagedModule> network(const LearnConfig& config,
                                                const Stream& stream) const {
    return make_network(config, stream);
  }
  // What of a stream it is taught, in which order: the stream itself, unless it is no learner of
  // streams at all. A task may be left without training images.
  virtual Stream taught(Stream stream) const { return stream; }

  // Called once, when the learner stands and before any state is loaded: here a method adds to the
  // optimiser's arena what shall move and be saved with the weights.
  virtual void attach(Learner&) {}
  // Whether the network learns by gradients in the present task; its steps are left out otherwise.
  virtual bool trains(const Learner&) const { return true; }
  // Gives network and optimiser the form that they have in the present task: what is frozen, what
  // is added. Called before a task begins, and when a run is taken up, before its weights are
  // loaded.
  virtual void shape(Learner&) {}

  // ---- the six hooks, in the order of their calls ----

  virtual void before_task(Learner&) {}

  // How much the mean loss of a group counts. Usually its share of the rows, so that all rows of a
  // step count alike.
  virtual double weight(const StepBatch& batch, size_t group) const {
    return static_cast<double>(batch.groups[group].rows()) / static_cast<double>(batch.rows());
  }
  // The mean loss of these rows, one element on the tape: cross-entropy over all classes. Threads
  // call it at once.
  virtual Tensor loss(const Learner& learner, const BatchPart& part) const;

  // Called when the gradients of a step stand in the optimiser's arena.
  virtual void adjust_gradients(Learner&, const StepBatch&) {}

  // Called after the optimiser's step: in the first epoch of a task new rows are offered to the
  // memory, every sample once.
  virtual void after_step(Learner& learner, const StepBatch& batch);

  virtual void after_task(Learner&) {}

  // How much each class is spoken for by images u8 [N, H, W, C]: f32 [N, classes], logits unless a
  // method classifies otherwise. The largest wins.
  virtual Tensor scores(const Learner& learner, const Tensor& images) const;

  // How many forward passes a row of a step costs: that of the loss, and its derivative, which
  // takes two. For the ledger (cl/ledger.h).
  virtual double passes_a_row() const { return 3; }
  // Multiply-accumulates of one such pass through the present network.
  virtual double work_of_row(Learner& learner) const;
  // Whether the network may give way to a smaller one between tasks: not where what a method keeps
  // has the network's widths, outside the optimiser's arena.
  virtual bool survives_pruning() const { return true; }

  // ---- what it keeps between steps beside the memory; saved in every checkpoint ----
  virtual NamedTensors state_dict() const { return {}; }
  // What it takes in memory, for the ledger: unless said otherwise, that of its state.
  virtual int64_t bytes_kept(const Learner& learner) const;
  // An argument error where `state` is not of this method.
  virtual void load_state_dict(const Learner& learner, const NamedTensors& state);
};

// "naive", "joint", "er", ...: the table in method.cpp.
std::vector<std::string> method_names();
// The method of a configuration. An argument error with the names for another.
std::unique_ptr<Method> make_method(const LearnConfig& config);

}  // namespace espalier
