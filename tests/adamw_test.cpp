#include "kernels/adamw/adamw.h"

#include "tests/kernel_test.h"

namespace espalier::test::adamw_tests {
namespace {

constexpr double unscaled = 1, lr = 3e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8,
                 weight_decay = 0.05;

// The constants of step `t` as PyTorch computes them, rounded once to T.
template <class T>
AdamWStep<T> step_at(int t) {
  return {T(1 - lr * weight_decay),
          T(1 - beta1),
          T(beta2),
          T(1 - beta2),
          T(lr / (1 - std::pow(beta1, t))),
          T(1 / std::sqrt(1 - std::pow(beta2, t))),
          T(eps),
          T(1 - 0.99)};
}

// A segment's arrays, in float for the row under test or in double for the oracle.
template <class T>
struct Arrays {
  std::vector<T> g, p, m, v, a;
};

template <class T>
Arrays<T> sample(size_t count) {
  Arrays<float> f;
  for (auto* x : {&f.g, &f.p, &f.m, &f.v, &f.a}) x->resize(count);
  fill_normal(f.g, 1), fill_normal(f.p, 2), fill_normal(f.m, 3, 0.1), fill_normal(f.a, 4);
  fill_normal(f.v, 5, 0.1);
  for (float& v : f.v) v = v * v;
  for (size_t i = 0; i < count; i += 5)  // where epsilon is as large as the root
    f.g[i] *= 1e-8f, f.m[i] *= 1e-8f, f.v[i] *= 1e-16f;
  const auto as = [](const std::vector<float>& x) { return std::vector<T>(x.begin(), x.end()); };
  return {as(f.g), as(f.p), as(f.m), as(f.v), as(f.a)};
}

void run(const KernelRow<AdamWUpdate<double>>& row, const AdamWStep<double>& step,
         Arrays<double>& x, double scale = 1) {
  row.run(&step, &scale, x.g.data(), x.p.data(), x.m.data(), x.v.data(), x.a.data(),
          static_cast<int64_t>(x.g.size()));
}

}  // namespace

TEST_CASE("adamw: one element by hand") {
  // PyTorch 2's single-tensor path, first step from p = 1, g = 0.5 and moments of zero: both bias
  // corrections cancel, so p = 1 - lr wd - lr g / (|g| + eps) up to the roundings of double.
  Arrays<double> x = {{0.5}, {1.0}, {0.0}, {0.0}, {1.0}};
  const auto& row = adamw_kernels<double>().back();
  run(row, step_at<double>(1), x);
  CHECK(x.m[0] == doctest::Approx(0.05).epsilon(1e-15));
  CHECK(x.v[0] == doctest::Approx(0.00025).epsilon(1e-15));
  const double first = 1 - lr * weight_decay - lr * 0.5 / (0.5 + eps);
  CHECK(x.p[0] == doctest::Approx(first).epsilon(1e-14));
  CHECK(x.a[0] == doctest::Approx(1 + 0.01 * (first - 1)).epsilon(1e-14));
  // Second step with g = -0.25: m = 0.9 * 0.05 - 0.1 * 0.25 = 0.02,
  // v = 0.999 * 0.00025 + 0.001 * 0.0625 = 0.00031225; corrections 0.19 and 0.001999.
  x.g[0] = -0.25;
  run(row, step_at<double>(2), x);
  const double second = first * (1 - lr * weight_decay) -
                        lr / 0.19 * 0.02 / (std::sqrt(0.00031225) / std::sqrt(0.001999) + eps);
  CHECK(x.m[0] == doctest::Approx(0.02).epsilon(1e-14));
  CHECK(x.v[0] == doctest::Approx(0.00031225).epsilon(1e-13));
  CHECK(x.p[0] == doctest::Approx(second).epsilon(1e-13));
}

TEST_CASE("adamw: epsilon stands outside of the root, after the bias correction") {
  // With g = eps the denominator at step 1 is |g| + eps = 2 eps, so half a step is taken.
  Arrays<double> x = {{eps}, {0.0}, {0.0}, {0.0}, {0.0}};
  run(adamw_kernels<double>().back(), step_at<double>(1), x);
  CHECK(x.p[0] == doctest::Approx(-lr / 2).epsilon(1e-12));
}

TEST_CASE("adamw rows agree with the double reference") {
  for_each_row(adamw_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const size_t count = static_cast<size_t>(width);
      for (bool average : {false, true}) {
        const auto start = sample<float>(count);
        auto wide = sample<double>(count);
        Guarded<float> g(count, guard, offset), p(count, guard, offset), m(count, guard, offset),
            v(count, guard, offset), a(count, guard, offset);
        std::copy(start.g.begin(), start.g.end(), g.begin());
        std::copy(start.p.begin(), start.p.end(), p.begin());
        std::copy(start.m.begin(), start.m.end(), m.begin());
        std::copy(start.v.begin(), start.v.end(), v.begin());
        std::copy(start.a.begin(), start.a.end(), a.begin());
        const auto step = step_at<float>(3);
        const double scale = static_cast<double>(0.7f);  // the oracle's too
        row.run(&step, &scale, g.data(), p.data(), m.data(), v.data(), average ? a.data() : nullptr,
                width);
        // The oracle sees the same rounded constants.
        const AdamWStep<double> exact = {step.decay,     step.beta1_complement,
                                         step.beta2,     step.beta2_complement,
                                         step.step_size, step.inverse_root_bias2,
                                         step.epsilon,   average ? step.average_weight : 0.0};
        run(adamw_kernels<double>().back(), exact, wide, scale);
        const auto moment_bound = [&](size_t i) {  // 4 roundings, of terms no larger than these
          return 4 * epsilon * (std::abs(start.m[i]) + std::abs(start.g[i]));
        };
        const auto parameter_bound = [&](size_t i) {
          // The denominator bears 6 roundings, the quotient, the product and the sum one each.
          const double denominator =
              std::sqrt(wide.v[i]) * exact.inverse_root_bias2 + exact.epsilon;
          const double quotient = std::abs(wide.m[i]) / denominator;
          return 2 * epsilon * std::abs(start.p[i]) +
                 exact.step_size * (moment_bound(i) / denominator + 9 * epsilon * quotient);
        };
        check_close(m, wide.m, moment_bound);
        check_close(v, wide.v, [&](size_t i) { return 5 * epsilon * wide.v[i]; });
        check_close(p, wide.p, parameter_bound);
        check_close(a, wide.a, [&](size_t i) {
          return parameter_bound(i) + 3 * epsilon * (std::abs(wide.a[i]) + std::abs(wide.p[i]));
        });
        CHECK(std::equal(g.begin(), g.end(), start.g.begin()));
      }
    });
  });
}

TEST_CASE("adamw rows let special gradients through to their own element alone") {
  for_each_row(adamw_kernels<float>(), [](const auto& row) {
    for (float special : special_values()) {
      auto x = sample<float>(37), clean = sample<float>(37);
      x.g[20] = special;
      const auto step = step_at<float>(1);
      for (auto* y : {&x, &clean})
        row.run(&step, &unscaled, y->g.data(), y->p.data(), y->m.data(), y->v.data(), nullptr, 37);
      for (size_t i = 0; i < 37; ++i) {
        if (i != 20) CHECK(same_bits(x.p[i], clean.p[i]));
      }
      CHECK(std::isfinite(x.m[20]) == std::isfinite(special));
      if (!std::isfinite(special)) CHECK(std::isnan(x.p[20]));
    }
  });
}

TEST_CASE("adamw rows change nothing by a scale that is not finite") {
  const auto check = [](const auto& row, auto number) {
    using T = decltype(number);
    for (const double scale : {std::nan(""), std::numeric_limits<double>::infinity()}) {
      auto x = sample<T>(37);
      const auto before = sample<T>(37);
      const auto step = step_at<T>(2);
      row.run(&step, &scale, x.g.data(), x.p.data(), x.m.data(), x.v.data(), x.a.data(), 37);
      CHECK(x.p == before.p);
      CHECK(x.m == before.m);
      CHECK(x.v == before.v);
      CHECK(x.a == before.a);
    }
  };
  for_each_row(adamw_kernels<float>(), [&](const auto& row) { check(row, 0.0f); });
  for_each_row(adamw_kernels<double>(), [&](const auto& row) { check(row, 0.0); });
}

TEST_CASE("adamw SIMD rows give the same bits, wherever an element stands") {
  std::vector<float> first;
  for_each_row(adamw_kernels<float>(), [&](const auto& row) {
    if (!is_simd(row.isa)) return;
    for (int64_t split : {0, 1, 16, 30}) {
      auto x = sample<float>(67);
      const auto part = [&](int64_t from, int64_t count) {
        const auto step = step_at<float>(5);
        row.run(&step, &unscaled, x.g.data() + from, x.p.data() + from, x.m.data() + from,
                x.v.data() + from, x.a.data() + from, count);
      };
      part(0, split), part(split, 67 - split);
      if (first.empty()) first = x.p;
      for (size_t i = 0; i < first.size(); ++i) CHECK(same_bits(x.p[i], first[i]));
    }
  });
}

}  // namespace espalier::test::adamw_tests
