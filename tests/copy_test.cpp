#include "kernels/copy/copy.h"

#include <algorithm>

#include "engine/ops/view.h"
#include "tests/kernel_test.h"

namespace espalier::test::copy_tests {
namespace {

template <class T>
void fill_bits(Guarded<T>& values) {
  std::mt19937_64 engine(11);
  for (T& v : values) v = static_cast<T>(engine());
}

// One copy of rows x columns, checked element by element, with no byte of y changed beside it.
template <class T>
void check_copy(const KernelRow<Copy>& row, MatrixStrides xs, MatrixStrides ys, int64_t rows,
                int64_t columns, Guard guard) {
  const auto extent = [&](MatrixStrides s) {
    return rows && columns ? static_cast<size_t>((rows - 1) * s.row + (columns - 1) * s.column + 1)
                           : size_t{0};
  };
  Guarded<T> x(extent(xs), guard, guard == Guard::front ? 1 : 0), y(extent(ys), guard);
  fill_bits(x);
  std::vector<T> expected(y.size(), T(0xa5));
  for (T& v : y) v = T(0xa5);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      expected[static_cast<size_t>(r * ys.row + c * ys.column)] =
          x[static_cast<size_t>(r * xs.row + c * xs.column)];
  row.run(x.data(), xs, y.data(), ys, rows, columns);
  INFO(rows, " x ", columns, " from (", xs.row, ", ", xs.column, ") to (", ys.row, ", ", ys.column,
       ")");
  const bool equal =  // memcmp takes no null pointer, not even for no bytes
      expected.empty() || std::memcmp(y.data(), expected.data(), expected.size() * sizeof(T)) == 0;
  CHECK(equal);
}

template <class T>
void check_all_forms() {
  for_each_row(copy_kernels<sizeof(T)>(), [](const auto& row) {
    for (Guard guard : {Guard::front, Guard::back})
      for (int64_t rows : {0, 1, 3, 7, 8, 16, 17, 33})
        for (int64_t columns : {0, 1, 2, 5, 8, 15, 16, 31, 35}) {
          check_copy<T>(row, {columns + 2, 1}, {columns, 1}, rows, columns, guard);
          check_copy<T>(row, {1, rows}, {columns, 1}, rows, columns, guard);
          check_copy<T>(row, {1, rows + 3}, {columns + 1, 1}, rows, columns, guard);
          check_copy<T>(row, {columns, 1}, {1, rows}, rows, columns, guard);
          check_copy<T>(row, {3 * columns, 3}, {columns, 1}, rows, columns, guard);
          check_copy<T>(row, {columns, 1}, {2 * columns, 2}, rows, columns, guard);
          check_copy<T>(row, {0, 1}, {columns, 1}, rows, columns, guard);
          check_copy<T>(row, {1, 0}, {columns, 1}, rows, columns, guard);
          check_copy<T>(row, {0, 0}, {columns, 1}, rows, columns, guard);
        }
  });
}

template <class T>
void check_fill() {
  const T value = static_cast<T>(0x0123456789abcdefu);
  for_each_row(fill_kernels<sizeof(T)>(), [&](const auto& row) {
    for_each_width([&](int64_t count, Guard guard, size_t offset) {
      Guarded<T> y(static_cast<size_t>(count), guard, offset);
      row.run(&value, y.data(), count);
      CHECK(std::all_of(y.begin(), y.end(), [&](T element) { return element == value; }));
    });
  });
}

}  // namespace

TEST_CASE("fill rows write one value everywhere, and nothing beside it") {
  check_fill<uint8_t>();
  check_fill<uint16_t>();
  check_fill<uint32_t>();
  check_fill<uint64_t>();
}

TEST_CASE("copy moves every element of every size and layout") {
  check_all_forms<uint8_t>();
  check_all_forms<uint16_t>();
  check_all_forms<uint32_t>();
  check_all_forms<uint64_t>();
}

TEST_CASE("copy_ carries every element between any two layouts") {
  // Large enough for several pieces and cut rows; every permutation of the source's dimensions.
  const Tensor base = Tensor::empty({5, 7, 40, 30});
  for (int64_t i = 0; i < base.numel(); ++i) base.data<float>()[i] = static_cast<float>(i);
  Shape dims{0, 1, 2, 3};
  do {
    const Tensor x = permute(base, dims);
    const Tensor y = Tensor::empty(x.shape()), z = Tensor::zeros(base.shape());
    y.copy_(x);
    bool equal = true;
    for_each_element(x.shape(), x.strides(), y.strides(), [&](int64_t a, int64_t b) {
      equal = equal && x.data<float>()[a] == y.data<float>()[b];
    });
    CHECK(equal);
    permute(z, dims).copy_(y);
    CHECK(std::memcmp(z.bytes(), base.bytes(), static_cast<size_t>(base.numel()) * 4) == 0);
  } while (std::next_permutation(&dims[0], &dims[0] + 4));
}

TEST_CASE("copy_ broadcasts, and fills a slice without touching its neighbours") {
  const Tensor y = Tensor::zeros({2, 3, 40'000}, DType::u8);
  slice(y, 1, 1, 2).copy_(Tensor::full({1}, 7, DType::u8));
  for (int64_t i = 0; i < y.numel(); ++i)
    if (y.data<uint8_t>()[i] != (i / 40'000 % 3 == 1 ? 7 : 0)) FAIL("at ", i);
  CHECK_THROWS_AS(y.copy_(Tensor::zeros({5}, DType::u8)), Error);
  CHECK_THROWS_AS(y.copy_(Tensor::zeros({1})), Error);
}

}  // namespace espalier::test::copy_tests
