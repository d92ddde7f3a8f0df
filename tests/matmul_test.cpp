#include "engine/ops/matmul.h"

#include "engine/ops/view.h"
#include "tests/device_test.h"
#include "tests/product_test.h"

namespace espalier::test::matmul_tests {
namespace {

Tensor product(const std::vector<Tensor>& x) { return matmul(x[0], x[1]); }
Tensor product_with_transpose(const std::vector<Tensor>& x) {
  return matmul(x[0], transpose(x[1], -1, -2));
}

struct Pair {
  Shape a, b, out;
};

// Batches equal, absent, broadcast on either side, in the middle, and on both at once.
const std::vector<Pair>& pairs() {
  static const std::vector<Pair> all = {
      {{3, 4}, {4, 5}, {3, 5}},
      {{1, 1}, {1, 1}, {1, 1}},
      {{2, 3, 4}, {2, 4, 5}, {2, 3, 5}},
      {{2, 3, 4}, {4, 5}, {2, 3, 5}},
      {{3, 4}, {2, 4, 5}, {2, 3, 5}},
      {{2, 1, 3, 4}, {3, 4, 2}, {2, 3, 3, 2}},
      {{2, 3, 2, 4}, {2, 1, 4, 3}, {2, 3, 2, 3}},
      {{1, 2, 3}, {3, 1, 3, 2}, {3, 1, 2, 2}},
      {{2, 1, 3, 2}, {1, 3, 2, 3}, {2, 3, 3, 3}},
  };
  return all;
}

}  // namespace

TEST_CASE("matmul multiplies matrices") {
  const Tensor a = Tensor::of<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor b = Tensor::of<float>({1, 0, 0, 1, 2, 2}, {3, 2});
  CHECK(matmul(a, b).to_vector() == std::vector<double>{7, 8, 16, 17});
  CHECK(matmul(transpose(b, 0, 1), transpose(a, 0, 1)).to_vector() ==
        std::vector<double>{7, 16, 8, 17});
}

TEST_CASE("matmul of broadcast batches gives each product of the common batch") {
  for (const Pair& pair : pairs()) {
    INFO("a ", pair.a.str(), " b ", pair.b.str());
    const Tensor a = random_tensor(pair.a, 1), b = random_tensor(pair.b, 2), y = matmul(a, b);
    REQUIRE(y.shape() == pair.out);
    // Every matrix of the result against the product of the two matrices that meet there.
    const int batch_rank = y.rank() - 2;
    Shape sizes(y.shape().begin(), y.shape().end() - 2);
    for (int64_t i = 0; i < sizes.numel(); ++i) {
      Tensor parts[] = {a, b, y};
      int64_t rest = i;
      for (int d = batch_rank - 1; d >= 0; --d) {
        const int64_t at = rest % sizes[d];
        rest /= sizes[d];
        for (Tensor& part : parts) {
          const int from_end = batch_rank - d + 2;
          if (part.rank() < from_end) continue;
          const int64_t size = part.size(-from_end);
          part = slice(part, -from_end, size == 1 ? 0 : at, size == 1 ? 1 : at + 1);
        }
      }
      const auto matrix = [](const Tensor& x) { return reshape(x, {x.size(-2), x.size(-1)}); };
      CHECK(matmul(matrix(parts[0]), matrix(parts[1])).to_vector() == parts[2].to_vector());
    }
  }
}

TEST_CASE("matmul gradients match finite differences") {
  for (const Pair& pair : pairs()) {
    INFO("a ", pair.a.str(), " b ", pair.b.str());
    check_gradients(product, {random_tensor(pair.a, 1), random_tensor(pair.b, 2)});
  }
  check_gradients(product_with_transpose, {random_tensor({2, 3, 4}, 1), random_tensor({5, 4}, 2)});
  check_gradients([](const auto& x) { return matmul(x[0], x[0]); }, {random_tensor({3, 3}, 1)});
}

TEST_CASE("matmul in f32 agrees with f64, forward and backward") {
  for (const Pair& pair : pairs()) {
    INFO("a ", pair.a.str(), " b ", pair.b.str());
    check_f32_against_f64(product, {random_tensor(pair.a, 1), random_tensor(pair.b, 2)}, 36);
  }
  check_f32_against_f64(product_with_transpose,
                        {random_tensor({6, 50, 32}, 1), random_tensor({6, 50, 32}, 2)}, 50);
  check_f32_against_f64(product, {random_tensor({16, 50, 130}, 1), random_tensor({130, 140}, 2)},
                        16 * 50);
  check_f32_against_f64(product, {random_tensor({90, 600}, 1), random_tensor({600, 170}, 2)}, 600);
}

TEST_CASE("matmul on a GPU agrees with the CPU") {
  // No term is larger than 16 times the largest sum: both are of normal numbers.
  for (const Pair& pair : pairs()) {
    INFO("a ", pair.a.str(), " b ", pair.b.str());
    check_device_agrees(product, {random_tensor(pair.a, 1), random_tensor(pair.b, 2)}, 36, 16);
  }
  check_device_agrees(product_with_transpose,
                      {random_tensor({3, 50, 32}, 1), random_tensor({3, 50, 32}, 2)}, 50, 16);
  check_device_agrees(product, {random_tensor({140, 10, 17}, 1), random_tensor({17, 5}, 2)}, 1400,
                      16);
}

TEST_CASE("matmul gives the same bits for any number of threads") {
  constexpr DType f32 = DType::f32;
  for (const auto& [a, b] : {std::pair{Shape{300, 50, 32}, Shape{300, 32, 50}},
                             std::pair{Shape{16, 50, 128}, Shape{128, 300}},
                             std::pair{Shape{2, 600, 300}, Shape{2, 300, 200}}})
    check_thread_counts_agree(product, {random_tensor(a, 1, f32), random_tensor(b, 2, f32)});
}

TEST_CASE("matmul of empty operands is empty or zero") {
  CHECK(matmul(Tensor::zeros({2, 0, 3}), Tensor::zeros({3, 4})).shape() == Shape{2, 0, 4});
  CHECK(matmul(Tensor::zeros({2, 0}), Tensor::zeros({0, 2})).to_vector() ==
        std::vector<double>(4, 0.0));
  const auto results =
      output_and_gradients(product, {Tensor::full({2, 3}, 1.0), Tensor::zeros({0, 3, 4})});
  CHECK(results[0].shape() == Shape{0, 2, 4});
  CHECK(results[1].to_vector() == std::vector<double>(6, 0.0));
}

TEST_CASE("matmul refuses what it cannot take") {
  const Tensor a = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(
      matmul(a, Tensor::zeros({2, 3})),
      "matmul: b is f32 [2, 3]; expected [..., 3, N] for a f32 [2, 3]; the last dimension of a "
      "must be the one before last of b",
      Error);
  CHECK_THROWS_AS(matmul(Tensor::zeros({3}), Tensor::zeros({3, 2})), Error);
  CHECK_THROWS_AS(matmul(a, Tensor::zeros({3})), Error);
  CHECK_THROWS_AS(matmul(a, Tensor::zeros({3, 2}, DType::f64)), Error);
  CHECK_THROWS_AS(matmul(Tensor(), a), Error);
  CHECK_THROWS_AS(matmul(Tensor::zeros({2, 1, 3}), Tensor::zeros({3, 3, 1})), Error);
}

}  // namespace espalier::test::matmul_tests
