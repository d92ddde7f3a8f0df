// What the artefacts of one stream cost and what they are worth, task after task.
#pragma once

#include <string>
#include <vector>

#include "cl/ledger.h"
#include "cl/metrics.h"

namespace espalier {

// The artefact that was written after one task. All of it was measured on the file, loaded again
// and compiled; where it was not measured (tracking off), `accuracy` and what follows it is empty.
struct TaskEfficiency {
  int64_t task = 0;         // that was learned last
  std::string path, dtype;  // of the artefact, in the run folder
  double sparsity = 0;      // share that the schedule has removed at least
  int64_t parameters = 0, file_bytes = 0;
  int64_t memory_bytes = 0;  // all that its plan takes, before it first runs: the peak
  int64_t flops = 0;         // of one image
  // What its dtype was chosen from (cl/form_choice.h); empty where that was given.
  struct Form {
    std::string dtype;
    int64_t file_bytes = 0;
    double seconds = 0, accuracy = 0;  // of a batch; on what a learner still has of old images
    bool chosen = false;
  };
  std::vector<Form> forms{};
  bool meets_budget = true;        // of the chosen one, as measured for the choice
  std::vector<double> accuracy{};  // on the test images of each task so far

  struct Speed {
    int64_t batch = 0;
    double seconds = 0, spread = 0;  // of a batch: median, half the quartiles' distance over it
    double times_as_fast = 0;        // as the uncompressed network, in the same rounds
    double images_per_second() const { return static_cast<double>(batch) / seconds; }
  };
  std::vector<Speed> speeds{};

  // An entry a class, over the test images of the tasks so far: of the network in fp32 when it had
  // learned the task, in fp32 when it had been pruned too and had recovered, and of the artefact.
  std::vector<ClassCount> learned{}, pruned{}, artefact{};
  Ledger ledger{};  // of the run by then

  bool measured() const { return !accuracy.empty(); }
  double average_accuracy() const;  // of `accuracy`
};

struct EfficiencySummary {
  std::string network;  // its name
  std::vector<std::string> class_names, task_names;
  // Of the network as it began, in fp32.
  int64_t uncompressed_bytes = 0, uncompressed_parameters = 0, uncompressed_memory_bytes = 0;
  std::vector<TaskEfficiency> tasks{};  // those done, in order
};

// Row i is of the artefact after task i, from 1; 0 where a task had not been seen. Row 0 is 0. Up
// to the first task that was not measured.
AccuracyMatrix artefact_accuracy(const EfficiencySummary& summary);

// The table over tasks, Markdown that is aligned, with what the last artefact comes to against the
// uncompressed network in a sentence before it. An argument error without a task that was measured.
std::string efficiency_report(const EfficiencySummary& summary);

// JSON text, and back. Errors are file errors that name `origin`.
std::string to_json(const EfficiencySummary& summary);
EfficiencySummary efficiency_from_json(const std::string& text, const std::string& origin);

}  // namespace espalier
