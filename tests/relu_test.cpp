#include "kernels/relu/relu.h"

#include "engine/ops/relu.h"
#include "tests/device_test.h"

namespace espalier::test::relu_tests {
namespace {

// Normal values with one special value in the middle.
void fill_with_special(Guarded<float>& values, unsigned seed) {
  fill_normal(values, seed);
  if (values.size()) values[values.size() / 2] = special_values()[seed % special_values().size()];
}

void check_same(const Guarded<float>& values, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("at ", i, ": got ", values[i], ", expected ", expected[i]);
    CHECK(agrees(values[i], expected[i], 0.0));
    CHECK((std::isnan(expected[i]) || std::signbit(values[i]) == std::signbit(expected[i])));
  }
}

}  // namespace

TEST_CASE("relu forward rows equal the double reference") {
  for_each_row(relu_forward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(width);
      Guarded<float> x(count, guard, offset), y(count, guard, offset);
      fill_with_special(x, static_cast<unsigned>(width));
      row.run(x.data(), y.data(), width);
      std::vector<double> in(x.begin(), x.end()), expected(count);
      relu_forward_kernels<double>().back().run(in.data(), expected.data(), width);
      check_same(y, expected);
    });
  });
}

TEST_CASE("relu backward rows equal the double reference") {
  for_each_row(relu_backward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(width);
      Guarded<float> y(count, guard, offset), dy(count, guard, offset), dx(count, guard, offset);
      fill_with_special(y, static_cast<unsigned>(width));
      fill_normal(dy, 5);
      row.run(y.data(), dy.data(), dx.data(), width);
      std::vector<double> yd(y.begin(), y.end()), dyd(dy.begin(), dy.end()), expected(count);
      relu_backward_kernels<double>().back().run(yd.data(), dyd.data(), expected.data(), width);
      check_same(dx, expected);
    });
  });
}

TEST_CASE("relu keeps a NaN and clears what is below zero") {
  const float x[] = {-1.0f, 0.0f, 2.0f, std::numeric_limits<float>::quiet_NaN(),
                     -std::numeric_limits<float>::infinity()};
  for_each_row(relu_forward_kernels<float>(), [&](const auto& row) {
    float y[5];
    row.run(x, y, 5);
    CHECK(y[0] == 0.0f);
    CHECK(y[1] == 0.0f);
    CHECK(y[2] == 2.0f);
    CHECK(std::isnan(y[3]));
    CHECK(y[4] == 0.0f);
  });
}

TEST_CASE("relu gradients match finite differences") {
  check_gradients([](const auto& x) { return relu(x[0]); }, {random_tensor({3, 7}, 1)});
  check_gradients([](const auto& x) { return relu(x[0]); }, {random_tensor({2, 3, 2}, 2)});
}

TEST_CASE("relu gives the same bits for any number of threads") {
  check_thread_counts_agree([](const auto& x) { return relu(x[0]); },
                            {random_tensor({5, 9'000}, 3, DType::f32)});
}

TEST_CASE("relu on a GPU agrees with the CPU") {
  for (const Shape& shape : {Shape{3, 7}, Shape{1}, Shape{5, 130}})
    check_device_agrees([](const auto& x) { return relu(x[0]); }, {random_tensor(shape, 1)}, 1);
}

TEST_CASE("relu refuses what it cannot take") {
  CHECK_THROWS_WITH_AS(relu(Tensor::zeros({2}, DType::u8)),
                       "relu: x is u8 [2]; expected f32 or f64; convert it with to(DType::f32)",
                       Error);
  CHECK_THROWS_AS(relu(Tensor()), Error);
  CHECK(relu(Tensor::zeros({0, 3})).numel() == 0);
}

}  // namespace espalier::test::relu_tests
