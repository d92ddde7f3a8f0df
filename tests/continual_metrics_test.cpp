// Metrics of continual learning against matrices worked out by hand.
#include "cl/metrics.h"

#include "tests/refusal.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// Three tasks; all values are multiples of 1/16, so that sums are exact.
const AccuracyMatrix three = {
    {0.125, 0.25, 0.0625}, {0.75, 0.5, 0.125}, {0.875, 0.625, 0.1875}, {0.25, 0.5, 1.0}};

doctest::Approx near(double value) { return doctest::Approx(value).epsilon(1e-15); }

}  // namespace

TEST_CASE("metrics of a finished stream are those worked out by hand") {
  const ContinualMetrics m = continual_metrics(three, {0.8125, 0.75, 0.9375});
  CHECK(m.average_accuracy == near((0.25 + 0.5 + 1.0) / 3));
  CHECK(m.average_incremental_accuracy ==
        near((0.75 + (0.875 + 0.625) / 2 + (0.25 + 0.5 + 1.0) / 3) / 3));
  CHECK(m.backward_transfer == near(((0.25 - 0.75) + (0.5 - 0.625)) / 2));
  // Of task 2 after task 1, and of task 3 after task 2, each less what the untrained network gave.
  CHECK(m.forward_transfer == near(((0.5 - 0.25) + (0.1875 - 0.0625)) / 2));
  // Task 1 was best after task 2. What the last row says is not among the best before it.
  CHECK(m.forgetting == near(((0.875 - 0.25) + (0.625 - 0.5)) / 2));
  REQUIRE(m.intransigence);
  CHECK(*m.intransigence == near(((0.8125 - 0.75) + (0.75 - 0.625) + (0.9375 - 1.0)) / 3));
}

TEST_CASE("forgetting takes the best before the last task and may be below zero") {
  // Task 1 is better after the last task than ever before; the untrained row does not count.
  const AccuracyMatrix rising = {{1, 0}, {0.25, 0}, {0.75, 0.5}};
  CHECK(continual_metrics(rising).forgetting == -0.5);
  CHECK(continual_metrics(rising).backward_transfer == 0.5);
  CHECK(!continual_metrics(rising).intransigence);
}

TEST_CASE("metrics of a stream that is not yet finished are of the tasks so far") {
  const auto over = metrics_over_tasks(three);
  REQUIRE(over.size() == 3);
  CHECK(over[0].average_accuracy == 0.75);
  CHECK(over[0].average_incremental_accuracy == 0.75);
  for (double none : {over[0].backward_transfer, over[0].forward_transfer, over[0].forgetting})
    CHECK(none == 0);
  CHECK(over[1].average_accuracy == 0.75);
  CHECK(over[1].backward_transfer == 0.125);
  CHECK(over[1].forward_transfer == 0.25);
  CHECK(over[1].forgetting == -0.125);
  CHECK(over[2].forgetting == continual_metrics(three).forgetting);
}

TEST_CASE("what is no accuracy matrix is refused") {
  CHECK(contains(refusal_of([] { continual_metrics({{0.5}}); }), "accuracy is 1 rows"));
  CHECK(contains(refusal_of([] { continual_metrics({{0.5}, {1}, {1}}); }), "3 rows of 1 tasks"));
  CHECK(contains(refusal_of([] { continual_metrics({{0, 0}, {1}}); }), "a row of 1 tasks"));
  CHECK(contains(refusal_of([] {
                   continual_metrics(three, {0.5, 0.5});
                 }),
                 "reference is 2 tasks; expected the 3 that were learned"));
}

TEST_CASE("a class is predicted among all, or among those of the task") {
  const Tensor scores = Tensor::of(std::vector<float>{1, 3, 2, 3, 5, 1, 1, 4}, {2, 4});
  CHECK(predictions(scores, {}) == std::vector<int64_t>{1, 0});
  CHECK(predictions(scores, {2, 3}) == std::vector<int64_t>{3, 3});
  const Tensor labels = Tensor::of(std::vector<int64_t>{1, 3}, {2});
  std::vector<ClassCount> counts(4);
  count_classes(predictions(scores, {}), labels, counts);
  CHECK(counts[1].right == 1);
  CHECK(counts[3].right == 0);
  CHECK(counts[3].images == 1);
  CHECK(accuracy_of(counts) == 0.5);
  CHECK(counts[0].accuracy() == 0);
}
