#include "kernels/gelu/gelu.h"

#include "engine/ops/gelu.h"
#include "tests/device_test.h"

namespace espalier::test::gelu_tests {
namespace {

constexpr GeluKind kinds[] = {GeluKind::erf, GeluKind::tanh};

struct Reference {
  std::vector<double> y, slope;
};

template <class Range>
Reference reference(GeluKind kind, const Range& x) {
  const std::vector<double> in(x.begin(), x.end());
  Reference out{std::vector<double>(in.size()), std::vector<double>(in.size())};
  gelu_training_kernels<double>().back().run(kind, in.data(), out.y.data(), out.slope.data(),
                                             static_cast<int64_t>(in.size()));
  return out;
}

// |x| up to 15: further out Phi is 0 or 1 in single precision.
double reach(double x) { return std::min(std::abs(x), 15.0); }

// How many epsilon the relative error of Phi(x) may be. The SIMD rows: the contract's figures. The
// scalar erf row rounds x / sqrt(2) and x^2 / 2 before erfc and exp, which multiplies that rounding
// by x^2; the scalar tanh row rounds its exponent 2u seven times.
double roundings(Isa isa, GeluKind kind, double x) {
  const double t = reach(x), u = 0.7978845608028654 * (t + 0.044715 * t * t * t);
  if (!is_simd(isa)) return 4 + (kind == GeluKind::erf ? t * t : 7 * u);
  return 3 + (kind == GeluKind::erf ? 0 : 4 * u);
}

// The SIMD rows give 0 for an exponential under 2^-126; the slope multiplies it by x u'(x).
double flushed(double x) {
  return std::abs(x) * std::numeric_limits<float>::min() + std::numeric_limits<float>::denorm_min();
}
double flushed_slope(GeluKind kind, double x) {
  return flushed(x) * (kind == GeluKind::erf ? 1 : 2 + reach(x) * reach(x));
}

template <class Range>
void check_value(Isa isa, GeluKind kind, const Range& x, const Range& y,
                 const Reference& expected) {
  check_close(y, expected.y, [&](size_t i) {
    return roundings(isa, kind, x[i]) * epsilon * std::abs(expected.y[i]) + flushed(x[i]);
  });
}

// slope = Phi + x Phi': both terms carry their own error, and their sum one rounding.
template <class Range>
void check_slope(Isa isa, GeluKind kind, const Range& x, const Range& slope,
                 const Reference& expected) {
  check_close(slope, expected.slope, [&](size_t i) {
    const double phi = x[i] == 0 ? 0.5 : expected.y[i] / static_cast<double>(x[i]);
    const double magnitude = phi + std::abs(expected.slope[i] - phi);
    return (1 + 2 * roundings(isa, kind, x[i])) * epsilon * magnitude + flushed_slope(kind, x[i]);
  });
}

// Every exponent and both signs, up to where x is the largest float.
std::vector<float> whole_range() {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += 40'009) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    values.push_back(value);
    values.push_back(-value);
  }
  for (int i = 0; i < 20'000; ++i) values.push_back(static_cast<float>(i - 10'000) * 1.6e-3f);
  return values;
}

}  // namespace

TEST_CASE("gelu rows agree with the double reference over the whole range") {
  const auto x = whole_range();
  std::vector<float> y(x.size()), slope(x.size());
  for (GeluKind kind : kinds) {
    INFO("kind ", static_cast<int>(kind));
    const Reference expected = reference(kind, x);
    for_each_row(gelu_training_kernels<float>(), [&](const auto& row) {
      row.run(kind, x.data(), y.data(), slope.data(), static_cast<int64_t>(x.size()));
      check_value(row.isa, kind, x, y, expected);
      check_slope(row.isa, kind, x, slope, expected);
    });
  }
}

TEST_CASE("gelu rows stay inside their arrays at every width and start") {
  for (GeluKind kind : kinds) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(width);
      Guarded<float> x(count, guard, offset), y(count, guard, offset), slope(count, guard, offset);
      fill_normal(x, 5, 2.0);
      const std::vector<float> in(x.begin(), x.end());
      const Reference expected = reference(kind, in);
      for_each_row(gelu_forward_kernels<float>(), [&](const auto& row) {
        row.run(kind, x.data(), y.data(), width);
        check_value(row.isa, kind, in, std::vector<float>(y.begin(), y.end()), expected);
      });
      for_each_row(gelu_training_kernels<float>(), [&](const auto& row) {
        row.run(kind, x.data(), y.data(), slope.data(), width);
        check_slope(row.isa, kind, in, std::vector<float>(slope.begin(), slope.end()), expected);
      });
      for_each_row(gelu_backward_kernels<float>(), [&](const auto& row) {
        Guarded<float> dx(count, guard, offset);
        row.run(slope.data(), y.data(), dx.data(), width);
        for (size_t i = 0; i < count; ++i) CHECK(dx[i] == slope[i] * y[i]);
      });
    });
  }
}

TEST_CASE("gelu rows treat special values as the contract says") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (GeluKind kind : kinds) {
    for_each_row(gelu_training_kernels<float>(), [&](const auto& row) {
      std::vector<float> x = special_values(), y(x.size()), slope(x.size());
      const Reference expected = reference(kind, x);
      row.run(kind, x.data(), y.data(), slope.data(), static_cast<int64_t>(x.size()));
      check_value(row.isa, kind, x, y, expected);
      for (size_t i = 0; i < x.size(); ++i) {
        INFO("x ", x[i]);
        if (std::isnan(x[i])) CHECK(std::isnan(slope[i]));
        if (x[i] == inf) CHECK(slope[i] == 1.0f);
        if (x[i] == -inf) CHECK(slope[i] == 0.0f);
      }
    });
  }
}

TEST_CASE("gelu SIMD rows give the same bits, and both forwards the same values") {
  const auto x = whole_range();
  for (GeluKind kind : kinds) {
    std::vector<float> first, y(x.size()), again(x.size()), slope(x.size());
    for_each_row(gelu_training_kernels<float>(), [&](const auto& row) {
      row.run(kind, x.data(), y.data(), slope.data(), static_cast<int64_t>(x.size()));
      for (const auto& forward : gelu_forward_kernels<float>())
        if (forward.isa == row.isa)
          forward.run(kind, x.data(), again.data(), static_cast<int64_t>(x.size()));
      CHECK(y == again);
      if (!is_simd(row.isa)) return;
      y.insert(y.end(), slope.begin(), slope.end());
      if (first.empty()) first = y;
      CHECK(std::memcmp(y.data(), first.data(), y.size() * sizeof(float)) == 0);
      y.resize(x.size());
    });
  }
}

TEST_CASE("gelu gradients match finite differences") {
  for (GeluKind kind : kinds) {
    check_gradients([&](const auto& x) { return gelu(x[0], kind); },
                    {random_tensor({3, 7}, 1, DType::f64, 2.0)});
  }
}

TEST_CASE("gelu backward in f32 follows f64, and recording does not change the value") {
  for (GeluKind kind : kinds) {
    const Tensor x = random_tensor({5, 33}, 3, DType::f32), xd = random_tensor({5, 33}, 3);
    const Tensor predicted = gelu(x, kind);
    x.set_requires_grad();
    xd.set_requires_grad();
    const Tensor y = gelu(x, kind);
    CHECK(y.to_vector() == predicted.to_vector());
    backward(y, {.seed = random_tensor({5, 33}, 4, DType::f32)});
    backward(gelu(xd, kind), {.seed = random_tensor({5, 33}, 4)});
    const auto values = xd.to_vector(), seed = random_tensor({5, 33}, 4).to_vector();
    // The slope is at most 1.13 and so are both its terms; f32 also rounds x and dy.
    check_close(x.grad().to_vector(), xd.grad().to_vector(), [&](size_t i) {
      return (2 * roundings(Isa::scalar, kind, values[i]) + 4) * 2 * epsilon * std::abs(seed[i]);
    });
  }
}

TEST_CASE("gelu on a GPU agrees with the CPU") {
  for (GeluKind kind : kinds)
    // The exponent of the tanh form is rounded 7 |u| times, and |u| < 12 for |x| <= 5.
    for (const Shape& shape : {Shape{3, 7}, Shape{1}, Shape{5, 130}})
      check_device_agrees([&](const auto& x) { return gelu(x[0], kind); },
                          {random_tensor(shape, 1)}, 84);
}

TEST_CASE("gelu refuses what it cannot take and takes strided input") {
  CHECK_THROWS_WITH_AS(gelu(Tensor::zeros({2}, DType::s8)),
                       "gelu: x is s8 [2]; expected f32 or f64; convert it with to(DType::f32)",
                       Error);
  CHECK_THROWS_AS(gelu(Tensor()), Error);
  CHECK(gelu(Tensor::zeros({0, 3})).numel() == 0);
  const Tensor x = random_tensor({4, 6}, 8);
  const Tensor column = x.as_strided({4}, {6}, 2);
  const auto all = gelu(x).to_vector(), some = gelu(column).to_vector();
  for (size_t i = 0; i < 4; ++i) CHECK(some[i] == all[i * 6 + 2]);
}

}  // namespace espalier::test::gelu_tests
