#include "kernels/embedding/embedding.h"

#include "engine/ops/embedding.h"
#include "tests/device_test.h"

namespace espalier::test::embedding_tests {

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

TEST_CASE("embedding rows gather and scatter in the order of the indices") {
  constexpr int64_t entries = 5, count = 40;
  for_each_width([](int64_t width, Guard guard, size_t offset) {
    Guarded<int64_t> rows(count, guard, offset);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i * i % entries);
    const auto size = static_cast<size_t>(width);
    Guarded<float> weight(entries * size, guard, offset), dy(count * size, guard, offset);
    fill_normal(weight, 1);
    fill_normal(dy, 2);
    for_each_row(embedding_forward_kernels<float>(), [&](const auto& row) {
      Guarded<float> y(count * size, guard, offset);
      row.run(rows.data(), weight.data(), y.data(), count, width);
      for (size_t i = 0; i < y.size(); ++i)
        CHECK(y[i] == weight[static_cast<size_t>(rows[i / size]) * size + i % size]);
    });
    std::vector<float> expected(weight.begin(), weight.end());
    for (size_t i = 0; i < dy.size(); ++i)
      expected[static_cast<size_t>(rows[i / size]) * size + i % size] += dy[i];
    for_each_row(embedding_backward_kernels<float>(), [&](const auto& row) {
      Guarded<float> dweight(weight.size(), guard, offset);
      std::copy(weight.begin(), weight.end(), dweight.begin());
      row.run(rows.data(), dy.data(), dweight.data(), count, width, width, entries);
      CHECK(std::equal(dweight.begin(), dweight.end(), expected.begin()));
    });
  });
}

TEST_CASE("embedding on a GPU agrees with the CPU") {
  const Tensor indices = Tensor::of<int32_t>({4, 0, 4, 4, 2, 0}, {3, 2});
  check_device_agrees([&](const auto& x) { return embedding(indices.to(x[0].device()), x[0]); },
                      {random_tensor({5, 37}, 1)}, 3, 3);
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

}  // namespace espalier::test::embedding_tests
