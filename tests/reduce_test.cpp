#include "kernels/reduce/reduce.h"

#include "tests/kernel_test.h"

namespace espalier::test {
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
      if (row.isa == Isa::scalar) return;
      row.run(ReduceOp::sum, x.data(), y.data(), 5, 203, 203);
      if (first.empty()) first = y;
      CHECK(std::memcmp(y.data(), first.data(), y.size() * sizeof(float)) == 0);
    });
  }
}

}  // namespace espalier::test
