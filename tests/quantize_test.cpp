#include "kernels/quantize/quantize.h"

#include <algorithm>

#include "engine/ops/quantize.h"
#include "engine/ops/view.h"
#include "tests/device_test.h"

namespace espalier::test::quantize_tests {
namespace {

// The contract in double, which holds the float product exactly enough to round it.
template <class To>
To expected(float x, float inverse_scale, int zero_point) {
  using limits = std::numeric_limits<To>;
  const double scaled = static_cast<double>(x * inverse_scale);
  if (std::isnan(scaled)) return limits::min();
  return static_cast<To>(std::clamp(std::nearbyint(scaled) + zero_point,
                                    static_cast<double>(limits::min()),
                                    static_cast<double>(limits::max())));
}

template <class To>
void check_quantize(float inverse_scale, int zero_point) {
  for_each_row(quantize_kernels<To>(), [&](const KernelRow<Quantize<To>>& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      Guarded<float> x(static_cast<size_t>(width), guard, offset);
      Guarded<To> y(static_cast<size_t>(width), guard, offset);
      fill_normal(x, 1, 40.0);
      for (size_t i = 0; i < x.size(); ++i) {
        if (i % 3 == 0) x[i] = static_cast<float>(i) + 0.5f;  // ties
        if (i % 5 == 1) x[i] = special_values()[(i + static_cast<size_t>(width)) % 13];
      }
      row.run(x.data(), y.data(), width, inverse_scale, zero_point);
      for (size_t i = 0; i < x.size(); ++i)
        if (y[i] != expected<To>(x[i], inverse_scale, zero_point)) {
          INFO("x ", x[i]);
          CHECK(y[i] == expected<To>(x[i], inverse_scale, zero_point));
        }
    });
  });
}

template <class From>
void check_dequantize(float scale, int zero_point) {
  for_each_row(dequantize_kernels<From>(), [&](const KernelRow<Dequantize<From>>& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      Guarded<From> x(static_cast<size_t>(width), guard, offset);
      Guarded<float> y(static_cast<size_t>(width), guard, offset);
      using limits = std::numeric_limits<From>;
      for (size_t i = 0; i < x.size(); ++i)
        x[i] = i == 0 ? limits::min() : i == 1 ? limits::max() : static_cast<From>(i * 7919);
      row.run(x.data(), y.data(), width, scale, zero_point);
      for (size_t i = 0; i < x.size(); ++i)
        if (!same_bits(y[i], static_cast<float>(x[i] - zero_point) * scale)) CHECK(false);
    });
  });
}

}  // namespace

TEST_CASE("quantize rows round to nearest even and saturate") {
  check_quantize<int8_t>(1.0f, 0);
  check_quantize<int8_t>(0.37f, -128);
  check_quantize<int8_t>(3.0f, 127);
  check_quantize<int16_t>(1.0f, 0);
  check_quantize<int16_t>(911.0f, -5);
}

TEST_CASE("dequantize rows are one exact difference and one product") {
  check_dequantize<int8_t>(0.1f, -128);
  check_dequantize<int16_t>(0.003f, 17);
}

TEST_CASE("quantize and dequantize on a GPU give the CPU's numbers") {
  const Tensor x = random_tensor({7, 90}, 1, DType::f32);
  for (DType dtype : {DType::s8, DType::s16}) {
    check_device_gives_the_same([&](const auto& in) { return quantize(in[0], 0.013, -3, dtype); },
                                {x});
    check_device_gives_the_same(
        [](const auto& in) { return dequantize(transpose(in[0], 0, 1), 0.013, -3); },
        {quantize(x, 0.013, -3, dtype)});
  }
}

}  // namespace espalier::test::quantize_tests
