#include "kernels/reduce/reduce.h"

#include "engine/ops/cast.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "tests/device_test.h"

namespace espalier::test::reduce_tests {
namespace {

constexpr ReduceOp ops[] = {ReduceOp::sum, ReduceOp::maximum, ReduceOp::minimum};
constexpr int64_t row_count = 3;

template <class T>
using Table = std::span<const KernelRow<Reduce<T>>>;

// Checks one reduction of `rows` x `width` against the reference in double. `along` is the number
// of elements that meet in one result.
void check_reduction(const KernelRow<Reduce<float>>& row, Table<double> references, ReduceOp op,
                     const Guarded<float>& x, Guarded<float>& y, int64_t rows, int64_t width,
                     int64_t stride, int64_t along) {
  row.run(op, x.data(), y.data(), rows, width, stride);
  const std::vector<double> values(x.data(), x.data() + x.size());
  std::vector<double> sizes(values), expected(y.size()), magnitude(y.size());
  for (double& v : sizes) v = std::abs(v);
  references.back().run(op, values.data(), expected.data(), rows, width, stride);
  references.back().run(ReduceOp::sum, sizes.data(), magnitude.data(), rows, width, stride);
  // Every addition rounds a partial sum that is at most the sum of the magnitudes.
  const double relative = op == ReduceOp::sum ? static_cast<double>(along) * epsilon / 2 : 0.0;
  check_close(y, expected, [&](size_t i) { return relative * magnitude[i]; });
}

}  // namespace

TEST_CASE("reduce rows agree with the double reference along rows and columns") {
  for (const bool along_rows : {true, false}) {
    const auto table = along_rows ? reduce_rows_kernels<float>() : reduce_columns_kernels<float>();
    const auto reference =
        along_rows ? reduce_rows_kernels<double>() : reduce_columns_kernels<double>();
    for_each_row(table, [&](const auto& row) {
      for (ReduceOp op : ops)
        for_each_width([&](int64_t width, Guard guard, size_t offset) {
          INFO("op ", static_cast<int>(op), along_rows ? " along rows" : " along columns");
          Guarded<float> x(static_cast<size_t>(row_count * width), guard, offset);
          Guarded<float> y(static_cast<size_t>(along_rows ? row_count : width), guard, offset);
          fill_normal(x, 5);
          check_reduction(row, reference, op, x, y, row_count, width, width,
                          along_rows ? width : row_count);
        });
    });
  }
}

TEST_CASE("reduce rows honour the row stride and long extents") {
  constexpr int64_t rows = 131, width = 150, stride = 157;
  Guarded<float> x(rows * stride), totals(rows), columns(width);
  fill_normal(x, 6);
  for (ReduceOp op : ops) {
    for_each_row(reduce_rows_kernels<float>(), [&](const auto& row) {
      check_reduction(row, reduce_rows_kernels<double>(), op, x, totals, rows, width, stride,
                      width);
    });
    for_each_row(reduce_columns_kernels<float>(), [&](const auto& row) {
      check_reduction(row, reduce_columns_kernels<double>(), op, x, columns, rows, width, stride,
                      rows);
    });
  }
}

TEST_CASE("reduce over nothing gives the neutral element") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const float neutral[] = {0.0f, -infinity, infinity};
  for (ReduceOp op : ops) {
    for_each_row(reduce_rows_kernels<float>(), [&](const auto& row) {
      float y = 7, x = 1;
      row.run(op, &x, &y, 1, 0, 0);
      CHECK(y == neutral[static_cast<int>(op)]);
    });
    for_each_row(reduce_columns_kernels<float>(), [&](const auto& row) {
      float y = 7, x = 1;
      row.run(op, &x, &y, 0, 1, 1);
      CHECK(y == neutral[static_cast<int>(op)]);
    });
  }
}

TEST_CASE("the largest and the smallest are NaN where any element is") {
  for (ReduceOp op : {ReduceOp::maximum, ReduceOp::minimum})
    for (size_t where : {0, 3, 15, 16, 40, 63, 64, 90}) {
      std::vector<float> x(91, 1.0f), columns(91);
      x[where] = std::numeric_limits<float>::quiet_NaN();
      for_each_row(reduce_rows_kernels<float>(), [&](const auto& row) {
        float y = 0;
        row.run(op, x.data(), &y, 1, 91, 91);
        CHECK(std::isnan(y));
      });
      for_each_row(reduce_columns_kernels<float>(), [&](const auto& row) {
        float y = 0;
        row.run(op, x.data(), &y, 91, 1, 1);
        CHECK(std::isnan(y));
      });
    }
}

TEST_CASE("argmax finds the first of the largest") {
  for_each_row(argmax_rows_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      if (width == 0) return;
      Guarded<float> x(static_cast<size_t>(row_count * width), guard, offset);
      Guarded<int64_t> index(row_count, guard, offset), expected(row_count);
      fill_normal(x, static_cast<unsigned>(width));
      for (float& v : x) v = std::round(v);  // so that there are ties
      const std::vector<double> values(x.begin(), x.end());
      row.run(x.data(), index.data(), row_count, width, width);
      argmax_rows_kernels<double>().back().run(values.data(), expected.data(), row_count, width,
                                               width);
      for (size_t r = 0; r < row_count; ++r) CHECK(index[r] == expected[r]);
    });
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    const std::vector<float> rows = {1, nan, 5, nan, lowest, lowest, lowest, lowest};
    int64_t index[2];
    row.run(rows.data(), index, 2, 4, 4);
    CHECK(index[0] == 1);
    CHECK(index[1] == 0);
  });
}

TEST_CASE("reduce SIMD rows give the same bits") {
  std::vector<float> x(5 * 203), first, y(203);
  fill_normal(x, 8);
  for (const auto& table : {reduce_rows_kernels<float>(), reduce_columns_kernels<float>()}) {
    first.clear();
    for_each_row(table, [&](const auto& row) {
      if (!is_simd(row.isa)) return;
      row.run(ReduceOp::sum, x.data(), y.data(), 5, 203, 203);
      if (first.empty()) first = y;
      CHECK(std::memcmp(y.data(), first.data(), y.size() * sizeof(float)) == 0);
    });
  }
}

TEST_CASE("reduce op gradients match finite differences over any dimensions") {
  using Op = Tensor (*)(const Tensor&, const Shape&, bool);
  for (Op op : {Op(sum), Op(mean), Op(amax), Op(amin)})
    for (const Shape& dims :
         {Shape{0}, Shape{1}, Shape{2}, Shape{0, 2}, Shape{2, 1}, Shape{0, 1, 2}})
      for (bool keepdim : {false, true})
        check_gradients([&](const auto& x) { return op(x[0], dims, keepdim); },
                        {random_tensor({3, 2, 4}, 1)});
  check_gradients([](const auto& x) { return mean(transpose(x[0], 0, 1), {1}); },
                  {random_tensor({3, 4}, 2)});
}

TEST_CASE("reduce ops give the sums, means and extremes of the definition") {
  const Tensor x = Tensor::of<double>({1, 5, 2, 4, 3, 5}, {2, 3});
  CHECK(sum(x).item() == 20);
  CHECK(sum(x, {0}).to_vector() == std::vector<double>{5, 8, 7});
  CHECK(mean(x, {1}, true).shape() == Shape{2, 1});
  CHECK(mean(x, {-1}).to_vector() == std::vector<double>{8.0 / 3, 4});
  CHECK(amax(x, {0, 1}).item() == 5);
  CHECK(amin(x, {1}).to_vector() == std::vector<double>{1, 3});
  CHECK(argmax(x).to_vector() == std::vector<double>{1, 2});
  CHECK(argmax(x, 0, true).to_vector() == std::vector<double>{1, 0, 1});
  CHECK(argmax(x, 0, true).shape() == Shape{1, 3});
  CHECK(sum(Tensor::zeros({0, 3}), {0}).to_vector() == std::vector<double>{0, 0, 0});
}

TEST_CASE("equal extremes share the gradient") {
  const Tensor x = Tensor::of<double>({2, 1, 2, 0}, {4}).set_requires_grad();
  backward(amax(x));
  CHECK(x.grad().to_vector() == std::vector<double>{0.5, 0, 0.5, 0});
}

TEST_CASE("reduce ops give the same bits for any number of threads") {
  const int before = num_threads();
  // Longer than a block in every direction: all of them, rows, columns, and a middle dimension.
  const std::vector<std::pair<Shape, Shape>> cases = {
      {{40'000}, {0}}, {{3, 20'000}, {1}}, {{700, 300}, {0}}, {{2, 300, 5'000}, {1}}};
  for (const auto& [shape, dims] : cases) {
    const Tensor x = random_tensor(shape, 3, DType::f32);
    set_num_threads(1);
    const auto one = sum(x, dims).to_vector();
    set_num_threads(3);
    CHECK(sum(x, dims).to_vector() == one);
    const auto exact = sum(to(x, DType::f64), dims).to_vector();
    const auto magnitude = sum(abs(to(x, DType::f64)), dims).to_vector();
    // At most this many additions meet in one value, in a tree or one after another.
    const double depth = static_cast<double>(x.numel()) / static_cast<double>(exact.size());
    check_close(one, exact, [&](size_t i) { return depth * epsilon / 2 * magnitude[i]; });
  }
  set_num_threads(before);
}

TEST_CASE("reduce ops on a GPU agree with the CPU over any dimensions") {
  using Op = Tensor (*)(const Tensor&, const Shape&, bool);
  const Shape shape{5, 9, 34};
  for (Op op : {Op(sum), Op(mean), Op(amax), Op(amin)})
    for (const Shape& dims :
         {Shape{0}, Shape{1}, Shape{2}, Shape{0, 2}, Shape{2, 1}, Shape{0, 1, 2}}) {
      INFO("dims: ", dims.str());
      // Sums of values of either sign are up to so many times smaller than their terms.
      check_device_agrees([&](const auto& x) { return op(x[0], dims, false); },
                          {random_tensor(shape, 1)}, 1530, 40);
    }
  // Longer than what a warp or a block takes at once.
  check_device_agrees([](const auto& x) { return sum(x[0], {1}); }, {random_tensor({2, 5'000}, 2)},
                      5'000, 5'000);
  check_device_agrees([](const auto& x) { return sum(x[0], {0}); }, {random_tensor({900, 3}, 2)},
                      900, 900);
}

TEST_CASE("argmax on a GPU finds what it finds on the CPU") {
  if (cuda_device_count() == 0) return;
  const Tensor x = random_tensor({6, 70, 3}, 4, DType::f32);
  for (int64_t dim : {0, 1, 2})
    CHECK(argmax(x.to(Device::cuda()), dim).to_vector() == argmax(x, dim).to_vector());
}

TEST_CASE("reduce ops refuse what they cannot take") {
  CHECK_THROWS_AS(sum(Tensor::zeros({2}, DType::s8)), Error);
  CHECK_THROWS_AS(sum(Tensor::zeros({2, 2}), {2}), Error);
  CHECK_THROWS_AS(sum(Tensor::zeros({2, 2}), {0, -2}), Error);
  CHECK_THROWS_AS(mean(Tensor::zeros({0, 2}), {0}), Error);
  CHECK_THROWS_AS(amax(Tensor::zeros({2, 0}), {1}), Error);
  CHECK_THROWS_AS(argmax(Tensor::zeros({})), Error);
  CHECK_THROWS_AS(mean(Tensor()), Error);
}

}  // namespace espalier::test::reduce_tests
