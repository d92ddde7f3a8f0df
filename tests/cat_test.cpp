#include "engine/ops/cat.h"

#include "engine/ops/view.h"
#include "tests/device_test.h"

namespace espalier::test::cat_tests {

TEST_CASE("cat joins along any dimension") {
  const Tensor a = Tensor::of<float>({1, 2}, {1, 2}), b = Tensor::of<float>({3, 4, 5, 6}, {2, 2});
  CHECK(cat({a, b}, 0).to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(cat({b, b}, 1).to_vector() == std::vector<double>{3, 4, 3, 4, 5, 6, 5, 6});
  CHECK_THROWS_AS(cat({}, 0), Error);
  CHECK_THROWS_AS(cat({a, b}, 1), Error);
  CHECK_THROWS_AS(cat({a, random_tensor({1, 2}, 1)}, 0), Error);
}

TEST_CASE("cat gradients match finite differences") {
  check_gradients(
      [](const auto& x) {
        return cat({x[0], x[1]}, 1);
      },
      {random_tensor({2, 3, 2}, 1), random_tensor({2, 1, 2}, 2)});
}

TEST_CASE("cat and slices on a GPU agree with the CPU") {
  check_device_agrees(
      [](const auto& x) {
        return cat({x[0], x[1]}, 1);
      },
      {random_tensor({2, 3, 40}, 1), random_tensor({2, 1, 40}, 2)}, 1);
  check_device_agrees([](const auto& x) { return slice(x[0], 1, 1, 3); },
                      {random_tensor({2, 5, 9}, 1)}, 1);
}

}  // namespace espalier::test::cat_tests
