#include "engine/ops/embedding.h"

#include "tests/gradient_test.h"

namespace espalier::test {

TEST_CASE("embedding copies the rows that the indices name") {
  const Tensor weight = Tensor::of<float>({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor y = embedding(Tensor::of<int32_t>({2, 0, 2, 1}, {2, 2}), weight);
  CHECK(y.shape() == Shape{2, 2, 2});
  CHECK(y.to_vector() == std::vector<double>{5, 6, 1, 2, 5, 6, 3, 4});
}

TEST_CASE("embedding gradients match finite differences") {
  const Tensor indices = Tensor::of<int64_t>({4, 0, 4, 4, 2, 0}, {3, 2});
  check_gradients([&](const auto& x) { return embedding(indices, x[0]); },
                  {random_tensor({5, 3}, 1)});
}

TEST_CASE("embedding adds to a gradient that is there already") {
  const Tensor weight = Tensor::of<double>({1, 2, 3, 4}, {2, 2}).set_requires_grad();
  const Tensor indices = Tensor::of<int64_t>({1, 1}, {2});
  for (double times : {1.0, 2.0}) {
    backward(embedding(indices, weight), {.seed = Tensor::full({2, 2}, 1.0, DType::f64)});
    CHECK(weight.grad().to_vector() == std::vector<double>{0, 0, 2 * times, 2 * times});
  }
}

TEST_CASE("embedding gives the same bits for any number of threads") {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < 3000; ++i) rows.push_back(i * i % 7);
  const Tensor indices = Tensor::of(rows, {3000});
  check_thread_counts_agree([&](const auto& x) { return embedding(indices, x[0]); },
                            {random_tensor({7, 40}, 3, DType::f32)});
}

TEST_CASE("embedding refuses what it cannot take") {
  const Tensor weight = Tensor::zeros({3, 2});
  CHECK_THROWS_WITH_AS(embedding(Tensor::of<int64_t>({3}, {1}), weight),
                       "embedding: indices is index 3; expected 0 to 2, the rows of weight", Error);
  CHECK_THROWS_AS(embedding(Tensor::of<int64_t>({-1}, {1}), weight), Error);
  CHECK_THROWS_AS(embedding(Tensor::zeros({1}), weight), Error);
  CHECK_THROWS_AS(embedding(Tensor::of<int64_t>({0}, {1}), Tensor::zeros({3})), Error);
  CHECK_THROWS_AS(embedding(Tensor(), weight), Error);
  CHECK(embedding(Tensor::zeros({0}, DType::s64), weight).shape() == Shape{0, 2});
}

}  // namespace espalier::test
