#include "engine/ops/linear.h"

#include "engine/ops/view.h"
#include "tests/device_test.h"
#include "tests/product_test.h"

namespace espalier::test::linear_tests {
namespace {

Tensor with_bias(const std::vector<Tensor>& x) { return linear(x[0], x[1], x[2]); }
Tensor without_bias(const std::vector<Tensor>& x) { return linear(x[0], x[1]); }

}  // namespace

TEST_CASE("linear is x weight^T + bias") {
  const Tensor x = Tensor::of<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor weight = Tensor::of<float>({1, 0, -1, 2, 1, 0}, {2, 3});
  const Tensor bias = Tensor::of<float>({10, 20}, {2});
  CHECK(linear(x, weight, bias).to_vector() == std::vector<double>{8, 24, 8, 33});
  CHECK(linear(x, weight).to_vector() == std::vector<double>{-2, 4, -2, 13});
  CHECK(linear(reshape(x, {2, 1, 3}), weight).shape() == Shape{2, 1, 2});
  CHECK(linear(select(x, 0, 1), weight).to_vector() == std::vector<double>{-2, 13});
}

TEST_CASE("linear gradients match finite differences") {
  unsigned seed = 1;
  for (const Shape& x : {Shape{3, 5}, Shape{7}, Shape{2, 3, 4}, Shape{1, 9}, Shape{2, 1, 2, 3}})
    for (int64_t out : {1, 6, 11}) {
      INFO("x ", x.str(), " out ", out);
      const std::vector<Tensor> inputs = {random_tensor(x, seed), random_tensor({out, x.back()}, 2),
                                          random_tensor({out}, 3)};
      check_gradients(with_bias, inputs);
      check_gradients(without_bias, {random_tensor(x, ++seed), random_tensor({out, x.back()}, 4)});
    }
}

TEST_CASE("linear reads views and sums the gradients of a weight used twice") {
  check_gradients(
      [](const auto& x) { return linear(transpose(x[0], 0, 1), transpose(x[1], 0, 1), x[2]); },
      {random_tensor({4, 3}, 1), random_tensor({4, 5}, 2), random_tensor({5}, 3)});
  check_gradients([](const auto& x) { return linear(linear(x[0], x[1], x[2]), x[1], x[2]); },
                  {random_tensor({3, 4}, 4), random_tensor({4, 4}, 5), random_tensor({4}, 6)});
}

TEST_CASE("linear in f32 agrees with f64, forward and backward") {
  constexpr struct {
    int64_t tokens, in, out;
  } sizes[] = {{5, 7, 3}, {49, 128, 17}, {160, 128, 448}, {1100, 40, 24}, {3, 600, 700}};
  for (const auto& s : sizes) {
    INFO(s.tokens, " x ", s.in, " -> ", s.out);
    check_f32_against_f64(with_bias,
                          {random_tensor({s.tokens, s.in}, 1), random_tensor({s.out, s.in}, 2),
                           random_tensor({s.out}, 3)},
                          std::max({s.tokens, s.in, s.out}) + 1);
  }
}

TEST_CASE("linear gives the same bits for any number of threads") {
  constexpr DType f32 = DType::f32;
  check_thread_counts_agree(with_bias,
                            {random_tensor({1000, 128}, 1, f32), random_tensor({448, 128}, 2, f32),
                             random_tensor({448}, 3, f32)});
  check_thread_counts_agree(with_bias,
                            {random_tensor({7, 600}, 1, f32), random_tensor({2500, 600}, 2, f32),
                             random_tensor({2500}, 3, f32)});
}

TEST_CASE("linear on a GPU agrees with the CPU") {
  constexpr struct { int64_t tokens, in, out; } sizes[] = {{5, 7, 3}, {160, 33, 65}, {1, 70, 129}};
  for (const auto& s : sizes) {
    INFO(s.tokens, " x ", s.in, " -> ", s.out);
    const Tensor x = random_tensor({s.tokens, s.in}, 1), weight = random_tensor({s.out, s.in}, 2);
    // No term is larger than 16 times the largest sum: both are of normal numbers.
    check_device_agrees(with_bias, {x, weight, random_tensor({s.out}, 3)},
                        std::max({s.tokens, s.in, s.out}) + 1, 16);
    check_device_agrees(without_bias, {x, weight}, std::max({s.tokens, s.in, s.out}), 16);
  }
  check_device_agrees([](const auto& x) { return linear(linear(x[0], x[1], x[2]), x[1], x[2]); },
                      {random_tensor({3, 4}, 4), random_tensor({4, 4}, 5), random_tensor({4}, 6)},
                      16, 16);
  check_device_agrees(with_bias,
                      {Tensor::zeros({3, 0}), Tensor::zeros({2, 0}), random_tensor({2}, 1)}, 4);
}

TEST_CASE("linear of nothing is bias, and its gradients are zero") {
  const Tensor bias = Tensor::of<float>({1, 2}, {2});
  const std::vector<Tensor> inputs = {Tensor::zeros({3, 0}), Tensor::zeros({2, 0}), bias};
  CHECK(with_bias(inputs).to_vector() == std::vector<double>{1, 2, 1, 2, 1, 2});
  const auto results =
      output_and_gradients(with_bias, {Tensor::zeros({0, 4}), Tensor::full({2, 4}, 1.0), bias});
  CHECK(results[0].shape() == Shape{0, 2});
  CHECK(results[2].to_vector() == std::vector<double>(8, 0.0));
  CHECK(results[3].to_vector() == std::vector<double>(2, 0.0));
}

TEST_CASE("linear refuses what it cannot take") {
  const Tensor x = Tensor::zeros({2, 3}), weight = Tensor::zeros({4, 3});
  CHECK_THROWS_WITH_AS(
      linear(x, Tensor::zeros({3, 4})),
      "linear: weight is f32 [3, 4]; expected [out, 3] for x f32 [2, 3]; weight is [out, in] and "
      "the last dimension of x is in",
      Error);
  CHECK_THROWS_AS(linear(Tensor(), weight), Error);
  CHECK_THROWS_AS(linear(x, Tensor()), Error);
  CHECK_THROWS_AS(linear(Tensor::zeros({}), weight), Error);
  CHECK_THROWS_AS(linear(x, Tensor::zeros({4, 3}, DType::f64)), Error);
  CHECK_THROWS_AS(linear(x, weight, Tensor::zeros({3})), Error);
  CHECK_THROWS_AS(linear(x, weight, Tensor::zeros({4}, DType::f64)), Error);
}

}  // namespace espalier::test::linear_tests
