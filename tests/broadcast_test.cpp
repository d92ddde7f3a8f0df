#include "engine/ops/broadcast.h"

#include "tests/device_test.h"

namespace espalier::test::broadcast_tests {

TEST_CASE("expand repeats and sum_to adds up again") {
  const Tensor x = Tensor::of<double>({1, 2, 3}, {1, 3});
  CHECK(expand(x, {2, 3}).to_vector() == std::vector<double>{1, 2, 3, 1, 2, 3});
  const Tensor y = Tensor::of<double>({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(sum_to(y, {3}).to_vector() == std::vector<double>{5, 7, 9});
  CHECK(sum_to(y, {1, 3}).to_vector() == std::vector<double>{5, 7, 9});
  CHECK(sum_to(y, {2, 1}).to_vector() == std::vector<double>{6, 15});
  CHECK(sum_to(y, {}).to_vector() == std::vector<double>{21});
  CHECK_THROWS_AS(expand(y, {2, 4}), Error);
  CHECK_THROWS_AS(sum_to(y, {4}), Error);
}

TEST_CASE("expand and sum_to gradients match finite differences") {
  check_gradients(
      [](const auto& x) {
        return expand(x[0], {4, 2, 3});
      },
      {random_tensor({2, 1}, 1)});
  check_gradients([](const auto& x) { return sum_to(x[0], {3}); }, {random_tensor({4, 3}, 2)});
  check_gradients([](const auto& x) { return sum_to(x[0], {4, 1}); }, {random_tensor({4, 3}, 3)});
}

TEST_CASE("expand and sum_to on a GPU agree with the CPU") {
  check_device_agrees(
      [](const auto& x) {
        return expand(x[0], {4, 2, 3});
      },
      {random_tensor({2, 1}, 1)}, 12, 4);
  check_device_agrees(
      [](const auto& x) {
        return sum_to(x[0], {4, 1});
      },
      {random_tensor({4, 3}, 3)}, 3, 4);
}

}  // namespace espalier::test::broadcast_tests
