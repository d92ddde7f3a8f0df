#include "kernels/softmax/softmax.h"

#include "engine/ops/softmax.h"
#include "tests/device_test.h"

namespace espalier::test::softmax_tests {
namespace {

constexpr int64_t row_count = 3;

std::vector<double> reference_forward(const float* x, int64_t rows, int64_t width) {
  std::vector<double> in(x, x + rows * width), out(in.size());
  softmax_forward_kernels<double>().back().run(in.data(), out.data(), rows, width);
  return out;
}

}  // namespace

TEST_CASE("softmax forward rows agree with the double reference") {
  for_each_row(softmax_forward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(row_count * width);
      Guarded<float> x(count, guard, offset), y(count, guard, offset);
      fill_normal(x, 7, 4.0);
      row.run(x.data(), y.data(), width ? row_count : 0, width);
      const auto expected = reference_forward(x.data(), width ? row_count : 0, width);
      // exp() is 2 ulp, its argument one rounding of |x - m| <= 40; the sum adds `width` roundings.
      const double relative = (2 + 40 + static_cast<double>(width) + 1) * epsilon;
      check_close(y, expected, [&](size_t i) { return relative * expected[i]; });
    });
  });
}

TEST_CASE("softmax backward rows agree with the double reference") {
  for_each_row(softmax_backward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(row_count * width);
      const int64_t rows = width ? row_count : 0;
      Guarded<float> y(count, guard, offset), dy(count, guard, offset), dx(count, guard, offset);
      fill_normal(y, 1, 0.3);
      fill_normal(dy, 2);
      row.run(y.data(), dy.data(), dx.data(), rows, width);
      std::vector<double> yd(y.begin(), y.end()), dyd(dy.begin(), dy.end()), expected(count);
      softmax_backward_kernels<double>().back().run(yd.data(), dyd.data(), expected.data(), rows,
                                                    width);
      check_close(dx, expected, [&](size_t i) {
        const size_t start = i / static_cast<size_t>(width) * static_cast<size_t>(width);
        double magnitude = std::abs(dyd[i]);
        for (size_t j = start; j < start + static_cast<size_t>(width); ++j)
          magnitude += std::abs(yd[j] * dyd[j]);
        return static_cast<double>(width + 3) * epsilon * std::abs(yd[i]) * magnitude;
      });
    });
  });
}

TEST_CASE("softmax rows treat special values as the contract says") {
  for_each_row(softmax_forward_kernels<float>(), [](const auto& row) {
    for (float special : special_values()) {
      for (int64_t width : {1, 5, 16, 37}) {
        INFO("value ", special, " in a row of ", width);
        std::vector<float> x(static_cast<size_t>(width), 0.5f), y(x.size());
        x[x.size() / 2] = special;
        row.run(x.data(), y.data(), 1, width);
        const auto expected = reference_forward(x.data(), 1, width);
        check_close(y, expected, [&](size_t i) {
          return 64 * epsilon * expected[i] + std::numeric_limits<float>::denorm_min();
        });
      }
    }
  });
}

TEST_CASE("softmax SIMD rows give the same bits") {
  const auto rows = softmax_forward_kernels<float>();
  for (int64_t width = 1; width <= 67; ++width) {
    std::vector<float> x(static_cast<size_t>(width)), first, y(x.size());
    fill_normal(x, 3, 3.0);
    for_each_row(rows, [&](const auto& row) {
      if (!is_simd(row.isa)) return;
      row.run(x.data(), y.data(), 1, width);
      if (first.empty()) first = y;
      for (size_t i = 0; i < y.size(); ++i) CHECK(same_bits(y[i], first[i]));
    });
  }
}

TEST_CASE("softmax gradients match finite differences") {
  check_gradients([](const auto& x) { return softmax(x[0]); }, {random_tensor({3, 7}, 1)});
  check_gradients([](const auto& x) { return softmax(x[0], 1); }, {random_tensor({2, 5, 3}, 2)});
  check_gradients([](const auto& x) { return softmax(x[0], 0); }, {random_tensor({4}, 3)});
}

TEST_CASE("softmax on a GPU agrees with the CPU") {
  for (const Shape& shape : {Shape{3, 7}, Shape{2, 5, 33}, Shape{1}, Shape{9, 100}}) {
    INFO("shape: ", shape.str());
    check_device_agrees([](const auto& x) { return softmax(x[0]); }, {random_tensor(shape, 5)},
                        static_cast<double>(shape.back()));
  }
  check_device_agrees([](const auto& x) { return softmax(x[0], 0); }, {random_tensor({6, 4}, 5)},
                      6);
}

TEST_CASE("softmax refuses what it cannot take") {
  CHECK_THROWS_WITH_AS(softmax(Tensor::zeros({2}, DType::s8)),
                       "softmax: x is s8 [2]; expected f32 or f64; convert it with to(DType::f32)",
                       Error);
  CHECK_THROWS_AS(softmax(Tensor::zeros({2, 2}), 2), Error);
  CHECK_THROWS_AS(softmax(Tensor()), Error);
  CHECK(softmax(Tensor::zeros({0, 3})).numel() == 0);
}

}  // namespace espalier::test::softmax_tests
