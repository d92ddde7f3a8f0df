// What a run of continual learning came to, as the literature tells it.
#pragma once

#include <optional>
#include <vector>

#include "engine/tensor.h"

namespace espalier {

// a[0] is of the network before the first task, a[i] of it after task i, i = 1, 2, ..., k; column j
// is task j, of T. ContinualTrainer::accuracy() makes it.
using AccuracyMatrix = std::vector<std::vector<double>>;

// All means are over tasks that were learned, k of them; where a sum is empty it is 0.
struct ContinualMetrics {
  // (1 / k) sum_{j <= k} a[k][j]: ACC of Lopez-Paz and Ranzato, 2017, 1706.08840, equation 2.
  double average_accuracy = 0;
  // The mean of that after each task so far: (1 / k) sum_{i <= k} (1 / i) sum_{j <= i} a[i][j]
  // (Rebuffi et al., 2017, 1611.07725, section 4).
  double average_incremental_accuracy = 0;
  // (1 / (k - 1)) sum_{j < k} (a[k][j] - a[j][j]): BWT, ibid., equation 3. Below 0 is forgetting.
  double backward_transfer = 0;
  // (1 / (k - 1)) sum_{j = 2}^{k} (a[j - 1][j] - a[0][j]): FWT, ibid., equation 4, where a[0] is
  // the untrained network.
  double forward_transfer = 0;
  // (1 / (k - 1)) sum_{j < k} (max_{1 <= l < k} a[l][j] - a[k][j]): F_k of Chaudhry et al., 2018,
  // 1801.10112, section 3.2.
  double forgetting = 0;
  // (1 / k) sum_{j <= k} (r[j] - a[j][j]), r the accuracies of a reference: the mean of I_j of
  // section 3.3, ibid. None without a reference.
  std::optional<double> intransigence{};
};

// `reference`: the accuracy on each task of a network that was trained on it and all before it at
// once; of one that was trained on all tasks at once, r is a little lower where classes join later.
// Argument errors: fewer than two rows, or more than tasks and one; rows of other lengths than
// first; a reference for fewer tasks than were learned.
ContinualMetrics continual_metrics(const AccuracyMatrix& accuracy,
                                   const std::vector<double>& reference = {});

// The same after each task: entry i is of rows 0 to i + 1.
std::vector<ContinualMetrics> metrics_over_tasks(const AccuracyMatrix& accuracy,
                                                 const std::vector<double>& reference = {});

// ---- where the matrix comes from ----

// The class that each row of scores f32 [N, classes] speaks for the loudest: of `among`, ascending,
// or of all where that is empty. The first of several alike.
std::vector<int64_t> predictions(const Tensor& scores, const std::vector<int64_t>& among);

// Images of one class, and how many of them were put into it.
struct ClassCount {
  int64_t right = 0, images = 0;
  double accuracy() const {
    return images ? static_cast<double>(right) / static_cast<double>(images) : 0;
  }
};
// Adds to `counts`, an entry a class. labels: s64 [N], one a prediction.
void count_classes(const std::vector<int64_t>& predicted, const Tensor& labels,
                   std::vector<ClassCount>& counts);
// The share of all images that was put into its class.
double accuracy_of(const std::vector<ClassCount>& counts);

}  // namespace espalier
