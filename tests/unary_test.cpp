#include "kernels/unary/unary.h"

#include "engine/ops/binary.h"
#include "engine/ops/cast.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "tests/device_test.h"

namespace espalier::test::unary_tests {
namespace {

struct Case {
  UnaryOp op;
  const char* name;
  double ulps;             // of forward, as the contract says; half an ulp is correct rounding
  bool positive;           // the domain of interest
  double slope_roundings;  // roundings of f'(x) dy
};

// tanh and sigmoid lose what 1 - y^2 and 1 - y cancel: their bound is absolute in f' <= 1.
constexpr Case cases[] = {
    {UnaryOp::neg, "neg", 0, false, 0},         {UnaryOp::abs, "abs", 0, false, 0},
    {UnaryOp::square, "square", 0.5, false, 1}, {UnaryOp::sqrt, "sqrt", 0.5, true, 2},
    {UnaryOp::rsqrt, "rsqrt", 1.5, true, 4},    {UnaryOp::reciprocal, "reciprocal", 0.5, false, 2},
    {UnaryOp::exp, "exp", 2, false, 1},         {UnaryOp::log, "log", 1, true, 1},
    {UnaryOp::tanh, "tanh", 2, false, 3},       {UnaryOp::sigmoid, "sigmoid", 3, false, 3},
};

double reference(UnaryOp op, double x) {
  double y = 0;
  unary_forward_kernels<double>().back().run(op, &x, &y, 1);
  return y;
}

void check_forward(const KernelRow<UnaryForward<float>>& row, const Case& c, const float* x,
                   float* y, int64_t count) {
  row.run(c.op, x, y, count);
  for (int64_t i = 0; i < count; ++i) {
    const double expected = reference(c.op, x[i]);
    INFO(c.name, "(", x[i], ") = ", y[i], ", reference ", expected);
    // Past the largest float the reference is finite where the row is infinite.
    if (std::abs(expected) > std::numeric_limits<float>::max())
      CHECK(static_cast<double>(y[i]) == static_cast<float>(expected));
    else
      CHECK(agrees(y[i], expected, c.ulps * ulp(expected)));
  }
}

}  // namespace

TEST_CASE("unary forward rows agree with the double reference") {
  for_each_row(unary_forward_kernels<float>(), [](const auto& row) {
    for (const Case& c : cases) {
      for_each_width([&](int64_t width, Guard guard, size_t offset) {
        Guarded<float> x(static_cast<size_t>(width), guard, offset);
        Guarded<float> y(static_cast<size_t>(width), guard, offset);
        fill_normal(x, static_cast<unsigned>(width), 4.0);
        if (c.positive)
          for (float& v : x) v = std::abs(v);
        check_forward(row, c, x.data(), y.data(), width);
      });
    }
  });
}

TEST_CASE("unary forward rows keep their accuracy over all magnitudes and special values") {
  std::vector<float> x = special_values();
  // Every sign and exponent, a few significands of each: 2^32 bit patterns in steps.
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 1'048'573) {
    const uint32_t pattern = static_cast<uint32_t>(bits);
    float value;
    std::memcpy(&value, &pattern, sizeof value);
    x.push_back(value);
  }
  for (float v = -110; v < 110; v += 0.37f) x.push_back(v);
  for_each_row(unary_forward_kernels<float>(), [&](const auto& row) {
    for (const Case& c : cases) {
      std::vector<float> y(x.size());
      check_forward(row, c, x.data(), y.data(), static_cast<int64_t>(x.size()));
    }
  });
}

TEST_CASE("unary backward rows agree with the double reference") {
  for_each_row(unary_backward_kernels<float>(), [](const auto& row) {
    for (const Case& c : cases) {
      INFO(c.name);
      for_each_width([&](int64_t width, Guard guard, size_t offset) {
        const size_t count = static_cast<size_t>(width);
        Guarded<float> saved(count, guard, offset), dy(count, guard, offset);
        Guarded<float> dx(count, guard, offset);
        fill_normal(saved, 3);
        fill_normal(dy, 4);
        if (c.op == UnaryOp::tanh || c.op == UnaryOp::sigmoid)
          for (float& v : saved) v = std::tanh(v);
        row.run(c.op, saved.data(), dy.data(), dx.data(), width);
        std::vector<double> in(saved.begin(), saved.end()), slope(dy.begin(), dy.end());
        std::vector<double> expected(count);
        unary_backward_kernels<double>().back().run(c.op, in.data(), slope.data(), expected.data(),
                                                    width);
        check_close(dx, expected, [&](size_t i) {
          const bool cancels = c.op == UnaryOp::tanh || c.op == UnaryOp::sigmoid;
          // |f'| <= 1 + y^2 before anything cancels.
          const double magnitude = cancels ? 2 * std::abs(slope[i]) : std::abs(expected[i]);
          return c.slope_roundings * epsilon * magnitude;
        });
      });
    }
  });
}

TEST_CASE("unary derivatives match finite differences of the double reference") {
  const auto forward = unary_forward_kernels<double>().back();
  const auto backward = unary_backward_kernels<double>().back();
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  for (const Case& c : cases) {
    for (double x : {-2.3, -0.4, 0.3, 1.0, 2.7}) {
      if (c.positive && x < 0) continue;
      INFO(c.name, " at ", x);
      const double one = 1, points[] = {x - h, x, x + h};
      double y[3], slope;
      forward.run(c.op, points, y, 3);
      backward.run(c.op, unary_keeps_output(c.op) ? &y[1] : &x, &one, &slope, 1);
      // h^2 |f'''| / 6 with |f'''| <= 1e3 here, and the rounding of f over h.
      CHECK(std::abs(slope - (y[2] - y[0]) / (2 * h)) <= 1e3 * h * h);
    }
  }
}

TEST_CASE("unary SIMD rows give the same bits and work in place") {
  for (const Case& c : cases) {
    INFO(c.name);
    std::vector<float> x(67), first;
    fill_normal(x, 5, 3.0);
    for_each_row(unary_forward_kernels<float>(), [&](const auto& row) {
      if (!is_simd(row.isa)) return;
      std::vector<float> y(x.size()), in_place = x;
      row.run(c.op, x.data(), y.data(), static_cast<int64_t>(x.size()));
      row.run(c.op, in_place.data(), in_place.data(), static_cast<int64_t>(x.size()));
      if (first.empty()) first = y;
      CHECK(std::memcmp(y.data(), first.data(), y.size() * sizeof(float)) == 0);
      CHECK(std::memcmp(y.data(), in_place.data(), y.size() * sizeof(float)) == 0);
    });
  }
}

TEST_CASE("unary op gradients match finite differences") {
  using Op = Tensor (*)(const Tensor&);
  for (Op op : {Op(neg), Op(abs), Op(square), Op(exp), Op(tanh), Op(sigmoid)})
    check_gradients([op](const auto& x) { return op(x[0]); }, {random_tensor({3, 5}, 1)});
  // On 1 + x^2, away from the pole and the edge of the domain.
  for (Op op : {Op(sqrt), Op(rsqrt), Op(reciprocal), Op(log)})
    check_gradients([op](const auto& x) { return op(add(square(x[0]), 1)); },
                    {random_tensor({4, 2}, 2)});
  check_gradients([](const auto& x) { return exp(transpose(x[0], 0, 1)); },
                  {random_tensor({3, 4}, 3)});
}

TEST_CASE("unary ops agree between f32 and f64, and check their operand") {
  const Tensor x = random_tensor({100, 400}, 4, DType::f32), wide = to(x, DType::f64);
  const auto narrow = sigmoid(x).to_vector(), exact = sigmoid(wide).to_vector();
  check_close(narrow, exact, [&](size_t i) { return 3 * ulp(exact[i]); });
  CHECK((-x).to_vector()[7] == -x.to_vector()[7]);
  CHECK_THROWS_WITH_AS(log(Tensor::zeros({2}, DType::s64)),
                       "log: x is s64 [2]; expected f32 or f64; convert it with to(DType::f32)",
                       Error);
  CHECK_THROWS_AS(exp(Tensor()), Error);
  CHECK(tanh(Tensor::zeros({0, 3})).numel() == 0);
}

TEST_CASE("unary ops on a GPU agree with the CPU") {
  using Op = Tensor (*)(const Tensor&);
  for (Op op : {Op(neg), Op(abs), Op(square), Op(exp), Op(tanh), Op(sigmoid)})
    for (const Shape& shape : {Shape{3, 7}, Shape{1}, Shape{5, 100}})
      check_device_agrees([op](const auto& x) { return op(x[0]); }, {random_tensor(shape, 1)}, 1);
  for (Op op : {Op(sqrt), Op(rsqrt), Op(reciprocal), Op(log)})
    check_device_agrees([op](const auto& x) { return op(add(square(x[0]), 1)); },
                        {random_tensor({4, 70}, 2)}, 4);
  check_device_agrees([](const auto& x) { return exp(transpose(x[0], 0, 1)); },
                      {random_tensor({33, 9}, 3)}, 1);
}

}  // namespace espalier::test::unary_tests
