#include "kernels/fake_quantize/fake_quantize.h"

#include <cmath>

#include "engine/ops/binary.h"
#include "engine/ops/cast.h"
#include "engine/ops/fake_quantize.h"
#include "engine/ops/quantize.h"
#include "engine/ops/unary.h"
#include "tests/device_test.h"
#include "tests/refusal.h"

namespace espalier::test::fake_quantize_tests {
namespace {

// Steps that are powers of two make every operation exact.
constexpr float float_scales[] = {0.25f, 0.5f};
constexpr double double_scales[] = {0.25, 0.5};
constexpr CodeSteps<float> float_steps{float_scales, 2, -5.0f, 3.0f};
constexpr CodeSteps<double> double_steps{double_scales, 2, -5.0, 3.0};
constexpr int64_t row_count = 3;

// Halves between two codes, which go to the even one, among what lies anywhere.
void fill_values(Guarded<float>& values, unsigned seed) {
  fill_normal(values, seed);
  for (size_t i = 0; i < values.size(); i += 5)
    values[i] = 0.125f * static_cast<float>(static_cast<int>(i + seed) % 21 - 10);
  if (values.size()) values[values.size() / 2] = special_values()[seed % special_values().size()];
}

}  // namespace

TEST_CASE("fake_quantize forward rows equal the double reference") {
  for_each_row(fake_quantize_forward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(row_count * width);
      Guarded<float> x(count, guard, offset), y(count, guard, offset);
      fill_values(x, static_cast<unsigned>(width));
      row.run(x.data(), y.data(), row_count, width, float_steps);
      std::vector<double> in(x.begin(), x.end()), expected(count);
      fake_quantize_forward_kernels<double>().back().run(in.data(), expected.data(), row_count,
                                                         width, double_steps);
      check_close(y, expected, [](size_t) { return 0.0; });
      for (float value : y) CHECK(!(value == 0 && std::signbit(value)));
    });
  });
}

TEST_CASE("fake_quantize backward rows equal the double reference") {
  for_each_row(fake_quantize_backward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(row_count * width);
      Guarded<float> x(count, guard, offset), y(count, guard, offset), dy(count, guard, offset);
      fill_values(x, static_cast<unsigned>(width));
      if (count) x[count / 2] = width % 2 ? NAN : INFINITY;
      fill_normal(dy, 7);
      fake_quantize_forward_kernels<float>().back().run(x.data(), y.data(), row_count, width,
                                                        float_steps);
      const std::vector<double> xd(x.begin(), x.end()), yd(y.begin(), y.end());
      const std::vector<double> dyd(dy.begin(), dy.end());
      std::vector<double> expected(count), sums(row_count);
      fake_quantize_backward_kernels<double>().back().run(xd.data(), yd.data(), dyd.data(),
                                                          expected.data(), sums.data(), row_count,
                                                          width, double_steps);
      Guarded<float> shares(row_count, guard, offset);
      row.run(x.data(), y.data(), dy.data(), dy.data(), shares.data(), row_count, width,
              float_steps);
      check_close(dy, expected, [](size_t) { return 0.0; });
      // Each term is at most |dy| times the widest code; a sum of n rounds n times, and so do its
      // factors.
      check_close(shares, sums, [&](size_t r) {
        double magnitude = 0;
        for (size_t i = 0; i < static_cast<size_t>(width); ++i)
          magnitude += 5 * std::abs(dyd[r * static_cast<size_t>(width) + i]);
        return static_cast<double>(width + 3) * 0x1p-24 * magnitude;
      });
    });
  });
}

TEST_CASE("fake_quantize gives what quantize and dequantize give") {
  const Tensor x = random_tensor({7, 33}, 3, DType::f32);
  const Tensor scale = Tensor::of<float>({0.037f}, {1});
  const Tensor codes = quantize(x, 0.037f, 11, DType::s8);
  const Tensor expected = dequantize(codes, 0.037f, 11);
  CHECK(fake_quantize(x, scale, {.zero_point = 11}).to_vector() == expected.to_vector());
  CHECK(fake_quantize(Tensor::zeros({7, 33}), scale, {.zero_point = 11, .codes = codes})
            .to_vector() == expected.to_vector());
}

TEST_CASE("each part of the axis has its own scale") {
  const Tensor x = Tensor::of<float>({1, 1, 1, 1, 9, 9, 9, 9}, {2, 4});
  const Tensor scale = Tensor::of<float>({1, 2}, {2});
  CHECK(fake_quantize(x, scale, {.low = -2, .high = 3}).to_vector() ==
        std::vector<double>{1, 1, 0, 0, 3, 3, 6, 6});
  CHECK(fake_quantize(x, scale, {.low = -2, .high = 3, .axis = 0}).to_vector() ==
        std::vector<double>{1, 1, 1, 1, 6, 6, 6, 6});
}

TEST_CASE("gradients are those of the straight-through estimator and of learned step sizes") {
  // Codes from -2 to 3 around the zero point, in steps of 0.5.
  const std::vector<double> values = {0.3, -0.6, 1.4, -1.3, 2.9, -4.0, 1.6, 1.75, -1.25};
  const Tensor x = Tensor::of(values, {9}), scale = Tensor::of<double>({0.5}, {1});
  x.set_requires_grad(), scale.set_requires_grad();
  const Tensor y =
      fake_quantize(x, scale, {.zero_point = 1, .low = -1, .high = 4, .scale_gradient = 0.25});
  const std::vector<double> g = {1, 2, 3, 5, 7, 11, 13, 17, 19};
  backward(y, {.seed = Tensor::of(g, {9})});
  // 0.3 / 0.5 rounds to 1, -1.2 to -1, 2.8 to 3, -2.6 to -3 (outside), 5.8 and -8 are far outside,
  // 3.2 rounds to 3, the last code; of the ties 3.5 rounds to 4 and -2.5 to -2.
  const std::vector<bool> inside = {true, true, true, false, false, false, true, false, true};
  const std::vector<double> code = {1, -1, 3, -2, 3, -2, 3, 3, -2};
  double expected = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    CHECK(y.to_vector()[i] == code[i] * 0.5);
    CHECK(x.grad().to_vector()[i] == (inside[i] ? g[i] : 0));
    expected += 0.25 * g[i] * (code[i] - (inside[i] ? values[i] / 0.5 : 0));
  }
  CHECK(scale.grad().item() == doctest::Approx(expected).epsilon(1e-14));
}

TEST_CASE("where all values saturate, gradients match finite differences") {
  // There the function is smooth: linear in the scale, constant in x.
  const Tensor x = Tensor::of<double>({7, -8, 9, -7, 12, 8}, {2, 3});
  for (int axis : {0, 1}) {
    const int64_t scales = x.size(axis);
    const Tensor scale =
        Tensor::of<double>(std::vector<double>(static_cast<size_t>(scales), 0.7), {scales});
    check_gradients(
        [&](const auto& in) {
          return fake_quantize(in[0], in[1], {.low = -3, .high = 4, .axis = axis});
        },
        {x, scale});
  }
}

TEST_CASE("fake_quantize gives the same bits for any number of threads") {
  check_thread_counts_agree(
      [](const auto& x) { return fake_quantize(x[0], x[1], {.zero_point = -3}); },
      {random_tensor({257, 300}, 3, DType::f32), Tensor::of<float>({0.01f, 0.02f, 0.015f}, {3})});
}

TEST_CASE("fake_quantize on a GPU agrees with the CPU") {
  const FakeQuantize per_tensor{.low = -8, .high = 7}, per_row{.low = -8, .high = 7, .axis = 0};
  // Scales are positive; a quotient that rounds to another code would be off by far more.
  const auto f = [](const FakeQuantize& how) {
    return [how](const auto& x) { return fake_quantize(x[0], add(square(x[1]), 0.1), how); };
  };
  check_device_agrees(f(per_tensor), {random_tensor({7, 33}, 1), random_tensor({1}, 2)}, 231, 15);
  check_device_agrees(f(per_row), {random_tensor({6, 70}, 1), random_tensor({6}, 2)}, 70, 15);
}

TEST_CASE("codes that fake_quantize is given stand for the same numbers on a GPU") {
  const Tensor values = random_tensor({6, 70}, 1, DType::f32);
  for (const DType codes : {DType::s8, DType::s16})
    for (const DType dtype : {DType::f32, DType::f64})
      for (const int axis : {0, -1}) {
        const Tensor scale = to(Tensor::of<float>({0.037f, 0.25f}, {2}), dtype);
        const FakeQuantize how{.zero_point = 5, .axis = axis};
        check_device_gives_the_same(
            [how](const auto& x) {
              FakeQuantize given = how;
              given.codes = x[2];
              return fake_quantize(x[0], x[1], given);
            },
            {Tensor::zeros({6, 70}, dtype), scale, quantize(values, 0.037, 5, codes)});
      }
}

TEST_CASE("fake_quantize refuses what it cannot take") {
  const Tensor x = Tensor::zeros({2, 6}), one = Tensor::of<float>({1}, {1});
  const auto message = [&](const Tensor& scale, const FakeQuantize& how) {
    return refusal_of([&] { fake_quantize(x, scale, how); });
  };
  CHECK(contains(message(Tensor::of<float>({1, 1, 1, 1}, {4}), {}), "S divides the 6"));
  CHECK(contains(message(Tensor::of<float>({-1}, {1}), {}), "scale is -1"));
  CHECK(contains(message(Tensor::of<float>({NAN}, {1}), {}), "positive"));
  CHECK(contains(message(Tensor::of<double>({1}, {1}), {}), "scale is f64"));
  CHECK(contains(message(one, {.zero_point = 200}), "zero_point is 200"));
  CHECK(contains(message(one, {.axis = 2}), "dim"));
  CHECK(contains(message(one, {.codes = Tensor::zeros({2, 6})}), "codes is f32"));
  CHECK(contains(message(one, {.codes = Tensor::zeros({6}, DType::s8)}), "[2, 6]"));
  CHECK_THROWS_AS(fake_quantize(Tensor::zeros({2}, DType::s8), one), Error);
  CHECK(fake_quantize(Tensor::zeros({0, 3}), one).numel() == 0);
}

}  // namespace espalier::test::fake_quantize_tests
