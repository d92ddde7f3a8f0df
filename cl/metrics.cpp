#include "cl/metrics.h"

#include <algorithm>

#include "engine/error.h"

namespace espalier {
namespace {

constexpr const char* name = "continual_metrics";

void check(const AccuracyMatrix& a, const std::vector<double>& reference) {
  const std::string rows = std::to_string(a.size()) + " rows";
  if (a.size() < 2)
    argument_error(name, "accuracy", rows, "one from before the first task, and one a task", "");
  const size_t tasks = a.front().size();
  if (a.size() > tasks + 1)
    argument_error(name, "accuracy", rows + " of " + std::to_string(tasks) + " tasks",
                   "at most " + std::to_string(tasks + 1), "");
  for (const std::vector<double>& row : a)
    if (row.size() != tasks)
      argument_error(name, "accuracy", "a row of " + std::to_string(row.size()) + " tasks",
                     "rows of " + std::to_string(tasks), "");
  if (!reference.empty() && reference.size() + 1 < a.size())
    argument_error(name, "reference", std::to_string(reference.size()) + " tasks",
                   "the " + std::to_string(a.size() - 1) + " that were learned", "");
}

double mean(double sum, size_t count) { return count ? sum / static_cast<double>(count) : 0; }

// The mean over the tasks up to row i.
double average_accuracy(const AccuracyMatrix& a, size_t i) {
  double sum = 0;
  for (size_t j = 0; j < i; ++j) sum += a[i][j];
  return mean(sum, i);
}

// Task j is the paper's task j + 1: what its row says of it is a[j + 1][j].
double best_before(const AccuracyMatrix& a, size_t k, size_t j) {
  double best = a[1][j];
  for (size_t l = 2; l < k; ++l) best = std::max(best, a[l][j]);
  return best;
}

}  // namespace

ContinualMetrics continual_metrics(const AccuracyMatrix& a, const std::vector<double>& reference) {
  check(a, reference);
  const size_t k = a.size() - 1;
  double incremental = 0, backward = 0, forward = 0, forgotten = 0, missed = 0;
  for (size_t i = 1; i <= k; ++i) incremental += average_accuracy(a, i);
  for (size_t j = 0; j + 1 < k; ++j) {
    backward += a[k][j] - a[j + 1][j];
    forgotten += best_before(a, k, j) - a[k][j];
    forward += a[j + 1][j + 1] - a[0][j + 1];
  }
  ContinualMetrics out{.average_accuracy = average_accuracy(a, k),
                       .average_incremental_accuracy = mean(incremental, k),
                       .backward_transfer = mean(backward, k - 1),
                       .forward_transfer = mean(forward, k - 1),
                       .forgetting = mean(forgotten, k - 1)};
  if (reference.empty()) return out;
  for (size_t j = 0; j < k; ++j) missed += reference[j] - a[j + 1][j];
  out.intransigence = mean(missed, k);
  return out;
}

std::vector<ContinualMetrics> metrics_over_tasks(const AccuracyMatrix& a,
                                                 const std::vector<double>& reference) {
  check(a, reference);
  std::vector<ContinualMetrics> out;
  for (size_t rows = 2; rows <= a.size(); ++rows)
    out.push_back(continual_metrics(
        AccuracyMatrix(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(rows)), reference));
  return out;
}

std::vector<int64_t> predictions(const Tensor& scores, const std::vector<int64_t>& among) {
  const int64_t classes = scores.size(1);
  std::vector<int64_t> candidates = among;
  if (candidates.empty())
    for (int64_t c = 0; c < classes; ++c) candidates.push_back(c);
  std::vector<int64_t> out(static_cast<size_t>(scores.size(0)));
  for (size_t i = 0; i < out.size(); ++i) {
    const float* row = scores.data<float>() + static_cast<int64_t>(i) * classes;
    int64_t best = candidates.front();
    for (int64_t c : candidates)
      if (row[c] > row[best]) best = c;
    out[i] = best;
  }
  return out;
}

void count_classes(const std::vector<int64_t>& predicted, const Tensor& labels,
                   std::vector<ClassCount>& counts) {
  for (size_t i = 0; i < predicted.size(); ++i) {
    const int64_t label = labels.data<int64_t>()[i];
    ClassCount& count = counts[static_cast<size_t>(label)];
    ++count.images;
    count.right += predicted[i] == label;
  }
}

double accuracy_of(const std::vector<ClassCount>& counts) {
  ClassCount all;
  for (const ClassCount& count : counts) {
    all.right += count.right;
    all.images += count.images;
  }
  return all.accuracy();
}

}  // namespace espalier
