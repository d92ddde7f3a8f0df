#include "kernels/layer_norm/layer_norm.h"

#include "engine/ops/layer_norm.h"
#include "engine/parallel.h"
#include "tests/device_test.h"

namespace espalier::test::layer_norm_tests {
namespace {

constexpr int64_t row_count = 7;  // more than one group of rows, and a remainder
constexpr float eps = 1e-5f;

template <class Range>
std::vector<double> widen(const Range& values) {
  return std::vector<double>(values.begin(), values.end());
}

struct Forward {
  std::vector<double> y, mean, rstd;
};

template <class Range>
Forward reference(const Range& x, const Range& gamma, const Range& beta, int64_t rows) {
  const auto xd = widen(x), gd = widen(gamma), bd = widen(beta);
  const size_t count = static_cast<size_t>(rows);
  Forward out{std::vector<double>(xd.size()), std::vector<double>(count),
              std::vector<double>(count)};
  layer_norm_forward_kernels<double>().back().run(
      xd.data(), gd.data(), bd.data(), out.y.data(), out.mean.data(), out.rstd.data(), rows,
      static_cast<int64_t>(gd.size()), static_cast<double>(eps));
  return out;
}

// What one f32 row may miss by. A sum of D terms rounds D times; the mean is off by `shift`, which
// moves every deviation and adds shift^2 to the variance.
struct Bound {
  double shift, relative;  // of the mean; of rstd
  template <class Range>
  Bound(const Range& x, size_t start, size_t width, double mean, double rstd) {
    double size = std::abs(mean);
    for (size_t i = start; i < start + width; ++i)
      size += std::abs(static_cast<double>(x[i])) / static_cast<double>(width);
    shift = (static_cast<double>(width) + 2) * epsilon * size;
    relative = (static_cast<double>(width) + 4) * epsilon + shift * shift * rstd * rstd;
  }
};

void check_forward(double offset_value) {
  for_each_row(layer_norm_forward_kernels<float>(), [&](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const int64_t rows = width ? row_count : 0;
      const size_t w = static_cast<size_t>(width), count = static_cast<size_t>(rows) * w;
      Guarded<float> x(count, guard, offset), y(count, guard, offset), gamma(w, guard, offset),
          beta(w, guard, offset), mean(row_count, guard, offset), rstd(row_count, guard, offset);
      fill_normal(x, 11);
      for (float& v : x) v += static_cast<float>(offset_value);
      fill_normal(gamma, 12);
      fill_normal(beta, 13);
      row.run(x.data(), gamma.data(), beta.data(), y.data(), mean.data(), rstd.data(), rows, width,
              eps);
      if (!width) return;
      const Forward expected = reference(x, gamma, beta, rows);
      const auto bound = [&](size_t r) {
        return Bound(x, r * w, w, expected.mean[r], expected.rstd[r]);
      };
      check_close(mean, expected.mean, [&](size_t r) { return bound(r).shift; });
      check_close(rstd, expected.rstd,
                  [&](size_t r) { return bound(r).relative * expected.rstd[r]; });
      check_close(y, expected.y, [&](size_t i) {
        const size_t r = i / w, column = i % w;
        const Bound b = bound(r);
        const double scale = std::abs(expected.rstd[r] * gamma[column]);
        const double centred = std::abs(static_cast<double>(x[i]) - expected.mean[r]);
        return scale * (b.shift + (centred + b.shift) * (b.relative + 3 * epsilon)) +
               epsilon * std::abs(expected.y[i]);
      });
    });
  });
}

}  // namespace

TEST_CASE("layer_norm forward rows agree with the double reference") { check_forward(0); }

TEST_CASE("layer_norm forward keeps its variance under a large common offset") {
  check_forward(1000);
}

TEST_CASE("layer_norm backward rows agree with the double reference") {
  for_each_row(layer_norm_backward_kernels<float>(), [](const auto& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      const int64_t rows = width ? row_count + 4 : 0;
      const size_t w = static_cast<size_t>(width), count = static_cast<size_t>(rows) * w;
      Guarded<float> x(count, guard, offset), dy(count, guard, offset), dx(count, guard, offset),
          gamma(w, guard, offset), dgamma(w, guard, offset), dbeta(w, guard, offset);
      Guarded<float> mean(static_cast<size_t>(rows), guard, offset),
          rstd(static_cast<size_t>(rows), guard, offset);
      unsigned seed = 20;
      for (auto* values : {&x, &dy, &gamma, &dgamma, &dbeta, &mean}) fill_normal(*values, ++seed);
      for (float& v : rstd) v = 0.75f;
      const auto xd = widen(x), dyd = widen(dy), gd = widen(gamma), md = widen(mean),
                 sd = widen(rstd), dgamma_before = widen(dgamma), dbeta_before = widen(dbeta);
      auto dgamma_d = dgamma_before, dbeta_d = dbeta_before;
      std::vector<double> expected(count);
      row.run(x.data(), gamma.data(), mean.data(), rstd.data(), dy.data(), dx.data(), dgamma.data(),
              dbeta.data(), rows, width);
      layer_norm_backward_kernels<double>().back().run(xd.data(), gd.data(), md.data(), sd.data(),
                                                       dyd.data(), expected.data(), dgamma_d.data(),
                                                       dbeta_d.data(), rows, width);
      const auto normalised = [&](size_t i) { return (xd[i] - md[i / w]) * sd[i / w]; };
      check_close(dx, expected, [&](size_t i) {
        const size_t start = i / w * w;
        double mean_g = 0, mean_dot = 0;
        for (size_t j = start; j < start + w; ++j) {
          mean_g += std::abs(dyd[j] * gd[j - start]) / static_cast<double>(width);
          mean_dot += std::abs(dyd[j] * gd[j - start] * normalised(j)) / static_cast<double>(width);
        }
        const double magnitude =
            std::abs(dyd[i] * gd[i - start]) + mean_g + std::abs(normalised(i)) * mean_dot;
        return static_cast<double>(width + 6) * epsilon * sd[i / w] * magnitude;
      });
      const auto column_bound = [&](size_t i, const std::vector<double>& before, bool scaled) {
        double magnitude = std::abs(before[i]);
        for (size_t j = i; j < count; j += w)
          magnitude += std::abs(dyd[j] * (scaled ? normalised(j) : 1));
        return static_cast<double>(rows + 3) * epsilon * magnitude;
      };
      check_close(dgamma, dgamma_d, [&](size_t i) { return column_bound(i, dgamma_before, true); });
      check_close(dbeta, dbeta_d, [&](size_t i) { return column_bound(i, dbeta_before, false); });
    });
  });
}

TEST_CASE("layer_norm rows work in place and without what may be null") {
  const int64_t width = 37, rows = 9;
  std::vector<float> x(static_cast<size_t>(width * rows)), dy(x.size()), y(x.size()), dx(x.size());
  std::vector<float> gamma(static_cast<size_t>(width)), beta(gamma.size()), sums(gamma.size());
  std::vector<float> mean(static_cast<size_t>(rows)), rstd(mean.size());
  fill_normal(x, 1);
  fill_normal(dy, 2);
  fill_normal(gamma, 3);
  fill_normal(beta, 4);
  for_each_row(layer_norm_forward_kernels<float>(), [&](const auto& row) {
    row.run(x.data(), gamma.data(), beta.data(), y.data(), mean.data(), rstd.data(), rows, width,
            eps);
    auto in_place = x;
    row.run(in_place.data(), gamma.data(), beta.data(), in_place.data(), nullptr, nullptr, rows,
            width, eps);
    CHECK(in_place == y);
  });
  for_each_row(layer_norm_backward_kernels<float>(), [&](const auto& row) {
    auto other_sums = sums, in_place = dy;
    row.run(x.data(), gamma.data(), mean.data(), rstd.data(), dy.data(), dx.data(), nullptr,
            nullptr, rows, width);
    row.run(x.data(), gamma.data(), mean.data(), rstd.data(), in_place.data(), in_place.data(),
            sums.data(), other_sums.data(), rows, width);
    CHECK(in_place == dx);
  });
}

TEST_CASE("layer_norm rows treat special values as the contract says") {
  for_each_row(layer_norm_forward_kernels<float>(), [](const auto& row) {
    for (int64_t width : {1, 5, 16, 37}) {
      const size_t w = static_cast<size_t>(width);
      const std::vector<float> ones(w, 1.0f), beta(w, 0.25f);
      std::vector<float> x(w, 3.0f), y(w);
      row.run(x.data(), ones.data(), beta.data(), y.data(), nullptr, nullptr, 1, width, eps);
      for (float v : y) CHECK(v == 0.25f);
      row.run(x.data(), ones.data(), beta.data(), y.data(), nullptr, nullptr, 1, width, 0.0f);
      for (float v : y) CHECK(std::isnan(v));
      for (float special : special_values()) {
        if (std::isfinite(special)) continue;
        x[w / 2] = special;
        row.run(x.data(), ones.data(), beta.data(), y.data(), nullptr, nullptr, 1, width, eps);
        for (float v : y) CHECK(std::isnan(v));
      }
    }
  });
}

TEST_CASE("layer_norm SIMD rows give the same bits") {
  const int64_t rows = 6;
  for (int64_t width = 1; width <= 67; ++width) {
    const size_t w = static_cast<size_t>(width), count = w * static_cast<size_t>(rows);
    std::vector<float> x(count), dy(count), gamma(w), beta(w), first;
    fill_normal(x, 3);
    fill_normal(dy, 4);
    fill_normal(gamma, 5);
    fill_normal(beta, 6);
    for (const auto& row : layer_norm_forward_kernels<float>()) {
      if (!is_simd(row.isa) || !isa_allowed(row.isa)) continue;
      std::vector<float> all(2 * count + 2 * w + 2 * static_cast<size_t>(rows));
      float *y = all.data(), *dx = y + count, *dgamma = dx + count, *dbeta = dgamma + w,
            *mean = dbeta + w, *rstd = mean + rows;
      row.run(x.data(), gamma.data(), beta.data(), y, mean, rstd, rows, width, eps);
      for (const auto& backward_row : layer_norm_backward_kernels<float>())
        if (backward_row.isa == row.isa)
          backward_row.run(x.data(), gamma.data(), mean, rstd, dy.data(), dx, dgamma, dbeta, rows,
                           width);
      if (first.empty()) first = all;
      CHECK(std::memcmp(all.data(), first.data(), all.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("layer_norm gradients match finite differences") {
  const auto f = [](const auto& x) { return layer_norm(x[0], x[1], x[2], 1e-3); };
  check_gradients(f, {random_tensor({3, 7}, 1), random_tensor({7}, 2), random_tensor({7}, 3)});
  check_gradients(f, {random_tensor({2, 3, 5}, 4), random_tensor({5}, 5), random_tensor({5}, 6)});
  check_gradients(f, {random_tensor({1}, 7), random_tensor({1}, 8), random_tensor({1}, 9)});
}

TEST_CASE("layer_norm backward in f32 follows f64 and ignores the number of threads") {
  // Several pieces of rows, so that partial sums of the parameters' gradients are combined.
  const Shape shape{700, 128}, width{128};
  const auto gradients = [&](DType dtype) {
    const std::vector<Tensor> in = {random_tensor(shape, 1, dtype), random_tensor(width, 2, dtype),
                                    random_tensor(width, 3, dtype)};
    for (const Tensor& t : in) t.set_requires_grad();
    backward(layer_norm(in[0], in[1], in[2]), {.seed = random_tensor(shape, 4, dtype)});
    return std::vector<std::vector<double>>{in[0].grad().to_vector(), in[1].grad().to_vector(),
                                            in[2].grad().to_vector()};
  };
  const int before = num_threads();
  set_num_threads(1);
  const auto one = gradients(DType::f32);
  set_num_threads(3);
  CHECK(gradients(DType::f32) == one);
  set_num_threads(before);
  const auto exact = gradients(DType::f64);
  const auto dy = random_tensor(shape, 4).to_vector(), gamma = random_tensor(width, 2).to_vector();
  const auto n = layer_norm(random_tensor(shape, 1), Tensor::full(width, 1, DType::f64),
                            Tensor::zeros(width, DType::f64))
                     .to_vector();
  // The terms of a row of standard normal values stay under their mean size times D; one rounding
  // for each of D terms and a few for each factor.
  double largest_g = 0, largest_n = 0;
  for (size_t i = 0; i < n.size(); ++i) {
    largest_g = std::max(largest_g, std::abs(dy[i] * gamma[i % 128]));
    largest_n = std::max(largest_n, std::abs(n[i]));
  }
  const double magnitude = largest_g * (2 + largest_n * largest_n);
  check_close(one[0], exact[0], [&](size_t) { return (128 + 8) * epsilon * 2 * magnitude; });
  for (size_t which : {size_t{1}, size_t{2}}) {
    check_close(one[which], exact[which], [&](size_t column) {
      double sum = 0;
      for (size_t i = column; i < n.size(); i += 128)
        sum += std::abs(dy[i] * (which == 1 ? n[i] : 1)) + (which == 1 ? std::abs(dy[i]) : 0);
      return (700 + 128) * epsilon * sum;
    });
  }
}

TEST_CASE("layer_norm on a GPU agrees with the CPU") {
  const auto f = [](const auto& x) { return layer_norm(x[0], x[1], x[2]); };
  for (const Shape& shape : {Shape{3, 7}, Shape{5, 9, 64}, Shape{1}, Shape{50, 33}}) {
    INFO("shape: ", shape.str());
    const Shape width{shape.back()};
    // Sums along a row, and down all rows for the parameters.
    const double length = static_cast<double>(shape.numel() / shape.back() + 2 * shape.back());
    check_device_agrees(
        f, {random_tensor(shape, 1), random_tensor(width, 2), random_tensor(width, 3)}, length);
  }
}

TEST_CASE("layer_norm refuses what it cannot take") {
  const Tensor x = Tensor::zeros({2, 4}), four = Tensor::zeros({4});
  CHECK_THROWS_WITH_AS(layer_norm(x, Tensor::zeros({3}), four),
                       "layer_norm: weight is f32 [3]; expected shape [4]", Error);
  CHECK_THROWS_AS(layer_norm(x, four, Tensor::zeros({4}, DType::f64)), Error);
  CHECK_THROWS_AS(layer_norm(Tensor::zeros({2, 4}, DType::s8), four, four), Error);
  CHECK_THROWS_AS(layer_norm(x, four, four, -1.0), Error);
  CHECK_THROWS_AS(layer_norm(Tensor::zeros({}), four, four), Error);
  CHECK_THROWS_AS(layer_norm(Tensor(), four, four), Error);
  CHECK(layer_norm(Tensor::zeros({0, 4}), four, four).numel() == 0);
}

}  // namespace espalier::test::layer_norm_tests
