// What a method of continual learning works on: the network and its optimiser, the memory, and
// where in the stream it is.
#pragma once

#include <memory>
#include <optional>

#include "cl/batch.h"
#include "cl/learn_config.h"
#include "cl/memory/replay_memory.h"
#include "cl/memory/selection.h"
#include "engine/random.h"
#include "nn/optim/optimizer.h"
#include "nn/staged_module.h"

namespace espalier {

struct Learner {
  LearnConfig config;
  Stream stream;
  std::unique_ptr<StagedModule> network;
  std::unique_ptr<Optimizer> optimizer;
  std::optional<ReplayMemory> memory;    // none for methods without
  std::unique_ptr<Selection> selection;  // null without memory
  int64_t task = 0;                      // of the stream, from 0
  int64_t step = 0;                      // of the whole run, from 0
  int64_t epoch = 0;                     // of the present task, from 0
  // The stage of the network at which rows of a step enter it: those before it are frozen, and run
  // on their own, without dropout; a method moves it in shape().
  int64_t entry = 0;
  // Where network and optimiser lie and run. Streams, batches and the memory stay on the CPU; rows
  // are sent chunk by chunk.
  Device device{};

  // What went through the network, by steps and by hooks, until the ledger takes it.
  int64_t rows_spent = 0;
  double passes_spent = 0;  // of rows, forward ones
  void spend(int64_t rows, double passes_a_row) {
    rows_spent += rows;
    passes_spent += static_cast<double>(rows) * passes_a_row;
  }

  const Task& current() const { return stream.tasks[static_cast<size_t>(task)]; }
  // A seed for one purpose of this run.
  uint64_t seed(uint64_t purpose) const { return derive_seed(config.seed, purpose); }
};

// The network of a configuration, from its seed, for the images and classes of `stream`.
std::unique_ptr<StagedModule> make_network(const LearnConfig& config, const Stream& stream);
// The same with so many outputs in place of classes.
std::unique_ptr<StagedModule> make_network(const LearnConfig& config, const Stream& stream,
                                           int64_t outputs);

// An optimiser of the configuration, from its beginning, over the network's present parameters,
// which it moves to the learner's device.
void renew_optimizer(Learner& learner, ParameterPolicy policy = decay_matrices);

// The same with the stages before `stage` frozen, in a smaller network that takes the place of this
// one too: the optimiser then asks the learner for its network, so the learner must not move.
void freeze_below(Learner& learner, int64_t stage);

// Sums of a batch's part losses: see Method::loss().
using PartLoss = FunctionRef<Tensor(const BatchPart& part)>;
// Adds the gradient of a batch's loss to `gradients`, laid out as the optimiser's arena, and
// returns the loss. `batch.logits` is filled. Each group counts with its weight: its mean loss
// times that. Rows go through the network in chunks of config.chunk_size or, where they go
// together, all at once, and `weights` then count for nothing.
double add_gradients(const Learner& learner, StepBatch& batch, const std::vector<double>& weights,
                     PartLoss loss, const Tensor& gradients);

// The logits f32 [N, classes] of images u8 [N, H, W, C], in evaluation mode, by a plan of the
// learner's device.
Tensor logits_of(const Learner& learner, const Tensor& images);

// Clips the optimiser's gradients to config.clip_norm where that is above 0; false where one is not
// finite.
bool clip_gradients(Learner& learner);

// The new rows of a step: `samples` of the present task's training images, as they enter.
StepBatch new_rows(const Learner& learner, const std::vector<int64_t>& samples);
// Appends a group of up to `rows` different samples of the memory, as many as it holds; none where
// it is empty. `draw` tells the draws of one step apart.
void draw_rows(const Learner& learner, int64_t rows, uint64_t draw, StepBatch& batch);
// Appends these slots of the memory as a group, to a batch that may be empty; none without slots.
void add_rows(const Learner& learner, const std::vector<int64_t>& slots, StepBatch& batch);
// Offers every new row to the memory, with the logits of the step's forward pass where it keeps
// such.
void keep_new_rows(Learner& learner, const StepBatch& batch);

}  // namespace espalier
