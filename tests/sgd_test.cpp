#include "kernels/sgd/sgd.h"

#include "tests/kernel_test.h"

namespace espalier::test::sgd_tests {
namespace {

constexpr double unscaled = 1, scaled = 0.7;

template <class T>
SgdStep<T> step_of(bool nesterov, double l2 = 0.01) {
  return {T(l2), T(1 - 0.1 * 0.05), T(0.9), T(0.1), T(0.01), nesterov};
}

SgdStep<double> widen(const SgdStep<float>& s) {
  return {s.l2, s.decay, s.momentum, s.lr, s.average_weight, s.nesterov};
}

}  // namespace

TEST_CASE("sgd: two steps by hand in PyTorch's order") {
  for (bool nesterov : {false, true}) {
    const SgdStep<double> step = {0.1, 1.0, 0.9, 0.5, 0.0, nesterov};
    double p = 1.0, b = 0.0, g = 2.0;
    const auto& row = sgd_kernels<double>().back();
    row.run(&step, &unscaled, &g, &p, &b, nullptr, 1);
    // g = 2 + 0.1 * 1 = 2.1; the buffer starts as the gradient.
    const double p1 = 1.0 - 0.5 * (nesterov ? 2.1 + 0.9 * 2.1 : 2.1);
    CHECK(b == doctest::Approx(2.1).epsilon(1e-15));
    CHECK(p == doctest::Approx(p1).epsilon(1e-15));
    row.run(&step, &unscaled, &g, &p, &b, nullptr, 1);
    const double g2 = 2.0 + 0.1 * p1, b2 = 0.9 * 2.1 + g2;
    CHECK(b == doctest::Approx(b2).epsilon(1e-14));
    CHECK(p == doctest::Approx(p1 - 0.5 * (nesterov ? g2 + 0.9 * b2 : b2)).epsilon(1e-14));
  }
}

TEST_CASE("sgd: decoupled decay does not enter the velocity") {
  const SgdStep<double> step = {0.0, 0.9, 0.5, 0.1, 0.0, false};
  double p = 1.0, b = 0.0, g = 0.0;
  sgd_kernels<double>().back().run(&step, &unscaled, &g, &p, &b, nullptr, 1);
  CHECK(p == 0.9);
  CHECK(b == 0.0);
}

TEST_CASE("sgd rows agree with the double reference") {
  for_each_row(sgd_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      for (int form = 0; form < 8; ++form) {
        const bool nesterov = form & 1, with_velocity = form & 2, with_average = form & 4;
        const size_t count = static_cast<size_t>(width);
        Guarded<float> g(count, guard, offset), p(count, guard, offset), b(count, guard, offset),
            a(count, guard, offset);
        fill_normal(g, 1), fill_normal(p, 2), fill_normal(b, 3), fill_normal(a, 4);
        const std::vector<double> gw(g.begin(), g.end()), p0(p.begin(), p.end()),
            b0(b.begin(), b.end()), a0(a.begin(), a.end());
        auto pw = p0, bw = b0, aw = a0;
        const auto step = step_of<float>(nesterov);
        const double scale = static_cast<double>(0.7f);  // the oracle's too
        row.run(&step, &scale, g.data(), p.data(), with_velocity ? b.data() : nullptr,
                with_average ? a.data() : nullptr, width);
        const SgdStep<double> exact = widen(step);
        sgd_kernels<double>().back().run(&exact, &scale, gw.data(), pw.data(),
                                         with_velocity ? bw.data() : nullptr,
                                         with_average ? aw.data() : nullptr, width);
        // Each form adds up at most these terms, each with at most 6 roundings on its way.
        const auto magnitude = [&](size_t i) {
          return std::abs(gw[i]) + std::abs(p0[i]) + std::abs(b0[i]);
        };
        check_close(b, bw, [&](size_t i) { return 3 * epsilon * magnitude(i); });
        check_close(p, pw, [&](size_t i) { return 6 * epsilon * magnitude(i); });
        check_close(a, aw, [&](size_t i) {
          return 6 * epsilon * magnitude(i) + 3 * epsilon * std::abs(a0[i]);
        });
      }
    });
  });
}

TEST_CASE("sgd rows let special gradients through to their own element alone") {
  for_each_row(sgd_kernels<float>(), [](const auto& row) {
    for (float special : special_values()) {
      std::vector<float> g(37, 0.5f), p(37, 1.0f), b(37, 0.25f);
      g[20] = special;
      const auto step = step_of<float>(false);
      row.run(&step, &scaled, g.data(), p.data(), b.data(), nullptr, 37);
      for (size_t i = 0; i < 37; ++i) {
        if (i != 20) CHECK(same_bits(p[i], p[0]));
      }
      CHECK(std::isfinite(p[20]) == std::isfinite(special));
    }
  });
}

TEST_CASE("sgd rows change nothing by a scale that is not finite") {
  const auto check = [](const auto& row, auto number) {
    using T = decltype(number);
    for (const double scale : {std::nan(""), std::numeric_limits<double>::infinity()}) {
      std::vector<T> g(37, T(0.5)), p(37, T(1)), b(37, T(0.25)), a(37, T(2));
      const auto step = step_of<T>(true);
      row.run(&step, &scale, g.data(), p.data(), b.data(), a.data(), 37);
      CHECK(p == std::vector<T>(37, T(1)));
      CHECK(b == std::vector<T>(37, T(0.25)));
      CHECK(a == std::vector<T>(37, T(2)));
    }
  };
  for_each_row(sgd_kernels<float>(), [&](const auto& row) { check(row, 0.0f); });
  for_each_row(sgd_kernels<double>(), [&](const auto& row) { check(row, 0.0); });
}

TEST_CASE("sgd SIMD rows give the same bits, wherever an element stands") {
  std::vector<float> first;
  for_each_row(sgd_kernels<float>(), [&](const auto& row) {
    if (!is_simd(row.isa)) return;
    for (int64_t split : {0, 1, 16, 30}) {
      std::vector<float> g(67), p(67), b(67);
      fill_normal(g, 1), fill_normal(p, 2), fill_normal(b, 3);
      const auto step = step_of<float>(true);
      row.run(&step, &scaled, g.data(), p.data(), b.data(), nullptr, split);
      row.run(&step, &scaled, g.data() + split, p.data() + split, b.data() + split, nullptr,
              67 - split);
      if (first.empty()) first = p;
      for (size_t i = 0; i < first.size(); ++i) CHECK(same_bits(p[i], first[i]));
    }
  });
}

}  // namespace espalier::test::sgd_tests
