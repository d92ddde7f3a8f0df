// Pictures of continual learning. All are PNGs, written atomically.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cl/efficiency.h"

namespace espalier {

// A heat map of the matrix: a row after each task, a column a task. An argument error where the
// matrix is none, or there are not as many names as columns.
void plot_accuracy_matrix(const AccuracyMatrix& accuracy,
                          const std::vector<std::string>& task_names, const std::string& path,
                          const std::string& title = "Accuracy on each task, in percent");

struct LearnedRun {
  std::string label;  // "er, 64 KiB"
  AccuracyMatrix accuracy;
};

// Average accuracy and forgetting over tasks, a line a run; of a single run also the accuracy on
// each task. Argument errors: no runs, or of other numbers of tasks.
void plot_learning_over_tasks(std::span<const LearnedRun> runs, const std::string& path);

// Size on disk, images a second at each batch size, memory, accuracy and parameters of the artefact
// after each task that was measured, with the uncompressed network's where it has such. Accuracy is
// also that of the network in fp32 before and after pruning. An argument error without a task that
// was measured.
void plot_efficiency_over_tasks(const EfficiencySummary& summary, const std::string& path);

}  // namespace espalier
