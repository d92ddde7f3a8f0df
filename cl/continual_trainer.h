// One learner in front of one stream: it takes the tasks in turn, is tested on all of them after
// each, saves and resumes.
#pragma once

#include <functional>
#include <map>

#include "cl/ledger.h"
#include "cl/methods/method.h"
#include "cl/metrics.h"
#include "cl/zero_shot.h"

namespace espalier {

// What one step did.
struct LearnStep {
  int64_t step, steps;  // done, and of the whole stream
  int64_t task;
  double loss;
  double images_per_second;  // new ones
};

// What is known after a task, or before the first.
struct TaskResult {
  int64_t task;                  // that was learned last; -1 before the first
  int64_t step;                  // steps done
  std::vector<double> accuracy;  // on each task of the stream
  double seconds;                // of training, over all parts of the run
  Ledger ledger;                 // what it has cost so far
  ZeroShot zero_shot{};          // of methods that name classes not learned yet
};

struct LearnEvents {
  std::function<void(const LearnStep&)> step = nullptr;
  std::function<void(const TaskResult&)> task = nullptr;
  std::function<bool()> interrupted = nullptr;  // asked after every step
};

// A run in a folder: `checkpoints/last.safetensors` holds all state: weights, optimiser, memory,
// what the method keeps, where in the stream it is and what was measured. A run that was killed and
// resumed ends with the bits of one that was not, since every random number is a function of the
// seed and the step.
class ContinualTrainer {
 public:
  // A new run, of the configuration's network unless another one is given. It trains and answers on
  // `device`, the memory stays on the CPU, and a checkpoint of either device can be taken up on the
  // other: which samples are drawn and kept is the same. Argument errors: a
  // configuration out of range; a stream that the network does not fit; a memory too small for one
  // sample.
  ContinualTrainer(const LearnConfig& config, Stream stream, std::string run_dir,
                   std::unique_ptr<StagedModule> network = nullptr, Device device = {});
  ~ContinualTrainer();

  // Takes up the run in the folder from its last checkpoint. A file error where there is none or it
  // belongs to another configuration or stream.
  void resume();
  // Learns to the end of the stream, or until `interrupted` says stop: then saves and returns
  // false. A numeric error where the loss is no longer finite, that names the step and the last
  // checkpoint.
  bool run(const LearnEvents& events = {});
  // The same to the end of the present task, and no further.
  bool run_task(const LearnEvents& events = {});

  // Between tasks, the network gives way to a smaller one; the optimiser's state moves along.
  // `kept` says what is left of each parameter that shrinks (compress/pruning/prune.h gives it).
  // For Vision Transformers alone, whose shape a checkpoint holds. Argument errors: another
  // network, or one of other images or classes; a memory or a method that keeps what depends on the
  // network's widths, unless the method lets it shrink; the middle of a task.
  void replace_network(std::unique_ptr<StagedModule> smaller, const IndexMap& kept);
  // Trains on the memory alone, once a task at most: see cl/recovery.h. What it costs is counted. A
  // numeric error as for run().
  void recover(int64_t epochs);

  // What whoever drives the run wants to find again, by keys of its own, in every checkpoint.
  std::map<std::string, std::string>& notes() noexcept;
  void save() const;

  const Learner& learner() const noexcept;
  const Method& method() const noexcept;
  // Row 0 is from before the first task, row i + 1 from after task i; a column a task.
  const AccuracyMatrix& accuracy() const noexcept;
  // Of the same rows: zero-shot accuracy, of no classes where the method has no texts.
  const std::vector<ZeroShot>& zero_shot() const noexcept;
  // What each of its rows had cost by then, and what all has cost by now.
  const std::vector<Ledger>& ledgers() const noexcept;
  Ledger ledger() const;
  std::string last_checkpoint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The configuration of the run in `run_dir`, from its last checkpoint.
LearnConfig load_learn_config(const std::string& run_dir);

// The stream of a configuration: from training images, of which `held_out` are tested on where it
// is above 0, and test images.
Stream stream_of(const LearnConfig& config, const ImageDataset& train, const ImageDataset& test);

}  // namespace espalier
