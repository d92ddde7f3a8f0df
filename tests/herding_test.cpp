// Herding: which samples it chooses, and what it keeps from task to task.
#include "cl/memory/herding.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cl/network_features.h"
#include "tests/small_stream.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// By the definition, in double.
std::vector<int64_t> herded(const std::vector<double>& features, int64_t length, int64_t count) {
  const int64_t rows = static_cast<int64_t>(features.size()) / length;
  const auto at = [&](int64_t i, int64_t j) {
    return features[static_cast<size_t>(i * length + j)];
  };
  std::vector<int64_t> order;
  for (int64_t k = 1; k <= std::min(count, rows); ++k) {
    int64_t best = -1;
    double least = std::numeric_limits<double>::max();
    for (int64_t i = 0; i < rows; ++i) {
      if (std::count(order.begin(), order.end(), i)) continue;
      double distance = 0;
      for (int64_t j = 0; j < length; ++j) {
        double mean = 0, sum = at(i, j);
        for (int64_t r = 0; r < rows; ++r) mean += at(r, j) / static_cast<double>(rows);
        for (const int64_t chosen : order) sum += at(chosen, j);
        const double gap = mean - sum / static_cast<double>(k);
        distance += gap * gap;
      }
      if (distance < least) {
        least = distance;
        best = i;
      }
    }
    order.push_back(best);
  }
  return order;
}

}  // namespace

TEST_CASE("herding chooses the sample that takes the running mean nearest to the mean") {
  Generator generator(4);
  // Not of two: both are as near to their mean, and rounding chooses.
  for (const int64_t rows : {1, 3, 7, 30}) {
    const Tensor features = normal({rows, 5}, generator);
    const auto all = herded(features.to_vector(), 5, rows);
    CHECK(herding_order(features, rows + 3) == all);
    CHECK(herding_order(features, 2) ==
          std::vector<int64_t>(all.begin(), all.begin() + std::min<int64_t>(2, rows)));
  }
  CHECK(herding_order(Tensor::zeros({3, 2}), 3) == std::vector<int64_t>{0, 1, 2});
}

TEST_CASE("herding shares the memory among the classes seen and drops the last of each") {
  const auto pixels_of = [](const ReplayMemory& memory, int64_t slot) {
    std::vector<uint8_t> pixels(64);
    memory.read_pixels(slot, pixels.data());
    return pixels;
  };
  Learner learner = small_learner(small_learning(), {.item = {8, 8, 1}, .logits = 4}, 11);
  const auto selection = make_selection("herding", {.classes = 4});
  CHECK(!selection->slot_for({}, *learner.memory));
  selection->after_task(learner);
  const ReplayMemory first = *learner.memory;
  REQUIRE(first.size() == 11);
  CHECK(count_of(first, 0) == 6);
  CHECK(count_of(first, 1) == 5);
  // Those of class 0, by the definition, of features of length 1.
  const ImageDataset& data = learner.current().train;
  std::vector<int64_t> of_class;
  for (int64_t i = 0; i < data.size(); ++i)
    if (data.labels.data<int64_t>()[i] == 0) of_class.push_back(i);
  const ImageDataset zeros = data.subset(of_class);
  const Tensor features = features_of(learner, zeros.images);
  std::vector<double> unit = features.to_vector();
  for (size_t i = 0; i < unit.size(); i += 32) {
    double squares = 0;
    for (size_t j = i; j < i + 32; ++j) squares += unit[j] * unit[j];
    for (size_t j = i; j < i + 32; ++j) unit[j] /= std::sqrt(squares);
  }
  const std::vector<int64_t> order = herded(unit, 32, 6);
  const Tensor logits = logits_of_features(learner, features);
  for (int64_t i = 0; i < 6; ++i) {
    const int64_t chosen = order[static_cast<size_t>(i)];
    const uint8_t* pixels = zeros.images.data<uint8_t>() + chosen * 64;
    CHECK(pixels_of(first, i) == std::vector<uint8_t>(pixels, pixels + 64));
    float kept[4];
    first.read_logits(i, kept);
    CHECK(std::equal(kept, kept + 4, logits.data<float>() + chosen * 4));
  }
  learner.task = 1;
  selection->after_task(learner);
  const ReplayMemory& second = *learner.memory;
  REQUIRE(second.size() == 11);
  for (const int64_t label : {0, 1, 2, 3}) CHECK(count_of(second, label) == (label < 3 ? 3 : 2));
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(pixels_of(second, i) == pixels_of(first, i));
    CHECK(pixels_of(second, 3 + i) == pixels_of(first, 6 + i));
    CHECK(second.task(i) == 0);
    CHECK(second.task(6 + i) == 1);
  }
}
