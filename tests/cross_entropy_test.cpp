#include "kernels/cross_entropy/cross_entropy.h"

#include "engine/ops/cross_entropy.h"
#include "engine/ops/softmax.h"
#include "tests/device_test.h"

namespace espalier::test::cross_entropy_tests {
namespace {

constexpr int64_t row_count = 3;
constexpr float scale = 0.25f;

// The targets of one case in both precisions: indices, or probabilities that sum to about 1.
struct Case {
  bool indices;
  float smoothing;
  Guarded<int64_t> index;
  Guarded<float> probability;
  std::vector<double> probability_d{};

  Case(bool use_indices, float label_smoothing, int64_t classes, Guard guard, size_t offset)
      : indices(use_indices),
        smoothing(label_smoothing),
        index(row_count, guard, offset),
        probability(static_cast<size_t>(row_count * classes), guard, offset) {
    for (size_t r = 0; r < index.size(); ++r)
      index[r] = classes ? static_cast<int64_t>(r * 7 + 2) % classes : 0;
    fill_normal(probability, 17);
    for (float& p : probability) p = std::abs(p) / static_cast<float>(classes);
    probability_d.assign(probability.begin(), probability.end());
  }
  CrossEntropyTarget<float> single() const {
    return {indices ? index.data() : nullptr, indices ? nullptr : probability.data(), smoothing};
  }
  CrossEntropyTarget<double> twice() const {
    return {indices ? index.data() : nullptr, indices ? nullptr : probability_d.data(),
            static_cast<double>(smoothing)};
  }
  double q(size_t r, size_t j, size_t classes) const {
    const double p = indices ? static_cast<double>(index[r] == static_cast<int64_t>(j))
                             : probability_d[r * classes + j];
    return (1 - twice().smoothing) * p + twice().smoothing / static_cast<double>(classes);
  }
};

// f(case, classes, guard, offset) over both kinds of target, smoothing, and every width.
template <class F>
void for_each_case(F f) {
  for (bool indices : {true, false}) {
    for (float smoothing : {0.0f, 0.1f, 1.0f}) {
      INFO("indices ", indices, ", smoothing ", smoothing);
      for_each_width([&](int64_t classes, Guard guard, size_t offset) {
        f(Case(indices, smoothing, classes, guard, offset), classes, guard, offset);
      });
    }
  }
}

// Sums of a row in double, from which both bounds follow.
struct RowSums {
  double largest = -std::numeric_limits<double>::infinity(), sum = 0, range = 0, mass = 0,
         distance = 0;
  RowSums(const Case& target, const std::vector<double>& x, size_t r, size_t classes) {
    const double* row = x.data() + r * classes;
    for (size_t j = 0; j < classes; ++j) largest = std::max(largest, row[j]);
    for (size_t j = 0; j < classes; ++j) {
      sum += std::exp(row[j] - largest);
      range = std::max(range, largest - row[j]);
      mass += target.q(r, j, classes);
      distance += target.q(r, j, classes) * (largest - row[j]);
    }
  }
};

}  // namespace

TEST_CASE("cross_entropy forward rows agree with the double reference") {
  for_each_row(cross_entropy_forward_kernels<float>(), [](const auto& row) {
    for_each_case([&](const Case& target, int64_t classes, Guard guard, size_t offset) {
      const size_t c = static_cast<size_t>(classes);
      const int64_t rows = classes ? row_count : 0;
      Guarded<float> x(static_cast<size_t>(rows) * c, guard, offset),
          loss(static_cast<size_t>(rows), guard, offset);
      fill_normal(x, 7, 4.0);
      const std::vector<double> xd(x.begin(), x.end());
      std::vector<double> expected(loss.size());
      row.run(x.data(), target.single(), loss.data(), rows, classes);
      cross_entropy_forward_kernels<double>().back().run(xd.data(), target.twice(), expected.data(),
                                                         rows, classes);
      // exp() is 2 ulp and its argument one rounding of `range`; a sum of C terms rounds C times.
      check_close(loss, expected, [&](size_t r) {
        const RowSums sums(target, xd, r, c);
        const double terms = static_cast<double>(classes);
        const double of_sum = (2 + sums.range + terms) + (terms + 6) * std::log(sums.sum);
        return epsilon * (sums.mass * of_sum + (terms + 6) * sums.distance);
      });
    });
  });
}

TEST_CASE("cross_entropy backward rows agree with the double reference") {
  for_each_row(cross_entropy_backward_kernels<float>(), [](const auto& row) {
    for_each_case([&](const Case& target, int64_t classes, Guard guard, size_t offset) {
      const size_t c = static_cast<size_t>(classes);
      const int64_t rows = classes ? row_count : 0;
      Guarded<float> x(static_cast<size_t>(rows) * c, guard, offset), dx(x.size(), guard, offset);
      fill_normal(x, 8, 4.0);
      const std::vector<double> xd(x.begin(), x.end());
      std::vector<double> expected(x.size());
      row.run(x.data(), target.single(), scale, dx.data(), rows, classes);
      cross_entropy_backward_kernels<double>().back().run(
          xd.data(), target.twice(), static_cast<double>(scale), expected.data(), rows, classes);
      check_close(dx, expected, [&](size_t i) {
        const size_t r = i / c;
        const RowSums sums(target, xd, r, c);
        const double p = std::exp(xd[i] - sums.largest) / sums.sum;
        const double terms = static_cast<double>(classes);
        return epsilon * static_cast<double>(scale) *
               (sums.mass * p * (2 * terms + sums.range + 10) + 5 * target.q(r, i % c, c));
      });
      row.run(x.data(), target.single(), scale, x.data(), rows, classes);
      CHECK(std::memcmp(x.data(), dx.data(), dx.size() * sizeof(float)) == 0);
    });
  });
}

TEST_CASE("cross_entropy rows treat special values as the contract says") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const auto value = [](const auto& row, std::vector<float> x, CrossEntropyTarget<float> target) {
    float loss = 0;
    row.run(x.data(), target, &loss, 1, static_cast<int64_t>(x.size()));
    return loss;
  };
  for_each_row(cross_entropy_forward_kernels<float>(), [&](const auto& row) {
    const int64_t second = 1;
    const float one_hot[] = {0, 1, 0}, bad[] = {0, 1, std::nanf("")};
    const CrossEntropyTarget<float> index{&second, nullptr, 0}, dense{nullptr, one_hot, 0},
        smooth{&second, nullptr, 0.1f};
    for (const auto& target : {index, dense, smooth}) {
      for (float special : {inf, std::nanf("")}) {
        CHECK(std::isnan(value(row, {0, 1, special}, target)));
        CHECK(std::isnan(value(row, {0, special, 1}, target)));
      }
      CHECK(std::isnan(value(row, {-inf, -inf, -inf}, target)));
      CHECK(value(row, {0, -inf, 1}, target) == inf);
      CHECK(std::isfinite(value(row, {1e38f, 3e38f, -3e38f}, dense)));
    }
    CHECK(value(row, {-inf, 2, -inf}, index) == 0.0f);
    CHECK(value(row, {-inf, 2, -inf}, dense) == 0.0f);
    CHECK(value(row, {-inf, 2, 0}, smooth) == inf);
    CHECK(std::isnan(value(row, {0, 1, 2}, {nullptr, bad, 0})));
  });
  for_each_row(cross_entropy_backward_kernels<float>(), [&](const auto& row) {
    const int64_t second = 1;
    float x[] = {-inf, 2, -inf}, dx[3];
    row.run(x, {&second, nullptr, 0}, 1.0f, dx, 1, 3);
    for (float d : dx) CHECK(d == 0.0f);
  });
}

TEST_CASE("cross_entropy SIMD rows give the same bits") {
  for_each_case([](const Case& target, int64_t classes, Guard guard, size_t offset) {
    if (guard == Guard::front || offset || !classes) return;
    const size_t count = static_cast<size_t>(row_count * classes);
    std::vector<float> x(count), first;
    fill_normal(x, 3, 3.0);
    for (const auto& row : cross_entropy_forward_kernels<float>()) {
      if (!is_simd(row.isa) || !isa_allowed(row.isa)) continue;
      std::vector<float> all(count + row_count);
      row.run(x.data(), target.single(), all.data(), row_count, classes);
      for (const auto& back : cross_entropy_backward_kernels<float>())
        if (back.isa == row.isa)
          back.run(x.data(), target.single(), scale, all.data() + row_count, row_count, classes);
      if (first.empty()) first = all;
      CHECK(std::memcmp(all.data(), first.data(), all.size() * sizeof(float)) == 0);
    }
  });
}

TEST_CASE("cross_entropy gradients match finite differences") {
  const Tensor index = Tensor::of(std::vector<int64_t>{2, 0, 4}, {3});
  Tensor mixed = random_tensor({3, 5}, 4);
  for (int64_t i = 0; i < 15; ++i) mixed.data<double>()[i] = std::abs(mixed.data<double>()[i]);
  for (double smoothing : {0.0, 0.1}) {
    for (const Tensor& targets : {index, mixed}) {
      check_gradients([&](const auto& x) { return cross_entropy(x[0], targets, smoothing); },
                      {random_tensor({3, 5}, 1)});
    }
  }
}

TEST_CASE("cross_entropy of an index is that of its one-hot row, and f32 follows f64") {
  const Tensor index = Tensor::of(std::vector<int64_t>{1, 0}, {2});
  const Tensor one_hot = Tensor::of(std::vector<double>{0, 1, 0, 1, 0, 0}, {2, 3});
  const Tensor x = random_tensor({2, 3}, 6), single = random_tensor({2, 3}, 6, DType::f32);
  const double a = cross_entropy(x, index, 0.1).item(), b = cross_entropy(x, one_hot, 0.1).item();
  CHECK(std::abs(a - b) <= 8 * std::numeric_limits<double>::epsilon() * a);
  CHECK(std::abs(cross_entropy(single, index, 0.1).item() - a) <= 16 * epsilon * (a + 4));
  x.set_requires_grad();
  single.set_requires_grad();
  backward(cross_entropy(x, index, 0.1));
  backward(cross_entropy(single, index, 0.1));
  check_close(single.grad().to_vector(), x.grad().to_vector(), [](size_t) { return 16 * epsilon; });
}

TEST_CASE("cross_entropy on a GPU agrees with the CPU") {
  if (cuda_device_count() == 0) return;
  const Device gpu = Device::cuda();
  for (const Shape& shape : {Shape{3, 5}, Shape{9, 40}, Shape{1, 1}})
    for (double smoothing : {0.0, 0.1}) {
      std::vector<int64_t> classes;
      for (int64_t r = 0; r < shape[0]; ++r) classes.push_back(r * 7 % shape[1]);
      const Tensor index = Tensor::of(classes, {shape[0]});
      // Logits within 5 of each other: 5 roundings of an exponent beside those of the sums.
      const double length = static_cast<double>(2 * shape[1] + shape[0] + 10);
      check_device_agrees(
          [&](const auto& x) { return cross_entropy(x[0], index.to(x[0].device()), smoothing); },
          {random_tensor(shape, 1)}, length);
    }
  const Tensor x = random_tensor({3, 5}, 1, DType::f32),
               mixed = softmax(random_tensor({3, 5}, 2, DType::f32));
  const double expected = cross_entropy(x, mixed, 0.1).item();
  CHECK(std::abs(cross_entropy(x.to(gpu), mixed.to(gpu), 0.1).item() - expected) <=
        32 * epsilon * expected);
  CHECK_THROWS_AS(cross_entropy(x.to(gpu), Tensor::zeros({3}, DType::s64)), Error);
  CHECK_THROWS_AS(cross_entropy(x.to(gpu), Tensor::of<int64_t>({0, 5, 1}, {3}).to(gpu)), Error);
}

TEST_CASE("cross_entropy refuses what it cannot take") {
  const Tensor x = Tensor::zeros({2, 3}), good = Tensor::zeros({2}, DType::s64);
  CHECK(std::abs(cross_entropy(x, good).item() - std::log(3.0)) < 4 * epsilon);
  CHECK_THROWS_WITH_AS(cross_entropy(x, Tensor::of(std::vector<int64_t>{0, 3}, {2})),
                       "cross_entropy: targets is 3 in row 1; expected class indices in [0, 3); "
                       "logits need a column "
                       "for every class",
                       Error);
  CHECK_THROWS_AS(cross_entropy(x, Tensor::of(std::vector<int64_t>{-1, 0}, {2})), Error);
  CHECK_THROWS_AS(cross_entropy(x, Tensor::zeros({3}, DType::s64)), Error);
  CHECK_THROWS_AS(cross_entropy(x, Tensor::zeros({2}, DType::s32)), Error);
  CHECK_THROWS_AS(cross_entropy(x, Tensor::zeros({2, 3}, DType::f64)), Error);
  CHECK_THROWS_AS(cross_entropy(x, Tensor::zeros({2, 2})), Error);
  CHECK_THROWS_AS(cross_entropy(x, good, 1.5), Error);
  CHECK_THROWS_AS(cross_entropy(Tensor::zeros({0, 3}), Tensor::zeros({0}, DType::s64)), Error);
  CHECK_THROWS_AS(cross_entropy(Tensor::zeros({3}), good), Error);
  const Tensor soft = Tensor::zeros({2, 3});
  soft.set_requires_grad();
  CHECK_THROWS_AS(cross_entropy(x, soft), Error);
}

}  // namespace espalier::test::cross_entropy_tests
