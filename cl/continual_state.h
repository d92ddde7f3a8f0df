// What a ContinualTrainer holds, for its two units: running, and saving and resuming. Not a public
// header.
#pragma once

#include "cl/continual_trainer.h"

namespace espalier {

std::string last_checkpoint_in(const std::string& run_dir);

struct ContinualTrainer::State {
  Learner learner;
  std::unique_ptr<Method> method;
  const std::string run_dir;
  AccuracyMatrix accuracy{};
  int64_t step_of_task = 0;
  double seconds = 0;
  std::vector<Ledger> ledgers{};
  std::vector<ZeroShot> zero_shot{};
  int64_t rows = 0, work = 0;  // of training: see Ledger
  double work_of_row = 0;      // of the present network; 0 where unknown
  std::string begun_as{};      // the network's shape
  uint32_t stream_mark = 0;    // of the labels of all training images: tells streams apart
  std::map<std::string, std::string> notes{};
  std::vector<int64_t> order{};  // of the images of the present epoch; empty where unknown

  State(const LearnConfig& config, Stream stream, std::string dir,
        std::unique_ptr<StagedModule> network, Device device);

  int64_t task_count() const { return static_cast<int64_t>(learner.stream.tasks.size()); }
  int64_t task_steps(const Task& task) const;
  int64_t total_steps() const;
  std::string last_checkpoint() const { return last_checkpoint_in(run_dir); }

  std::vector<int64_t> samples_of_step();
  LearnStep train_step();
  bool learn_task(const LearnEvents& events);
  TaskResult test();
  void begin(const LearnEvents& events);
  void shape_network();
  void count_spent();
  Ledger ledger() const;
  bool fits(const ImageInput& input, int64_t classes) const;
  void take_shape(const std::string& shape);
  void check_progress() const;
  void save_checkpoint() const;
  [[noreturn]] void stop_on(const std::string& problem) const;
};

// The shape of a network whose shape may change; empty for another.
std::string shape_of(const StagedModule& network);

}  // namespace espalier
