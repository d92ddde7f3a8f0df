#include "kernels/layer_norm_s8/layer_norm_s8.h"

#include <algorithm>

#include "engine/ops/layer_norm_s8.h"
#include "tests/device_test.h"

namespace espalier::test::layer_norm_s8_tests {
namespace {

struct Problem {
  int64_t rows, width;
  std::vector<int16_t> x;
  std::vector<float> gamma, beta;

  Problem(int64_t r, int64_t w, double deviation, double mean) : rows(r), width(w) {
    std::mt19937 engine(static_cast<unsigned>(w));
    std::normal_distribution<double> normal(mean, deviation);
    for (int64_t i = 0; i < r * w; ++i)
      x.push_back(static_cast<int16_t>(std::clamp(normal(engine), -32'768.0, 32'767.0)));
    gamma.resize(static_cast<size_t>(w)), beta.resize(static_cast<size_t>(w));
    fill_normal(gamma, 2, 40.0), fill_normal(beta, 3, 20.0);
  }
};

const KernelRow<LayerNormS8>& scalar_row() { return layer_norm_s8_kernels().back(); }

std::vector<int8_t> run(const KernelRow<LayerNormS8>& row, const Problem& p, float eps,
                        Guard guard = Guard::back, size_t offset = 0) {
  Guarded<int16_t> x(p.x.size(), guard, offset);
  Guarded<float> gamma(p.gamma.size(), guard, offset), beta(p.beta.size(), guard, offset);
  Guarded<int8_t> y(p.x.size(), guard, offset);
  std::copy(p.x.begin(), p.x.end(), x.begin());
  std::copy(p.gamma.begin(), p.gamma.end(), gamma.begin());
  std::copy(p.beta.begin(), p.beta.end(), beta.begin());
  row.run(x.data(), gamma.data(), beta.data(), y.data(), p.rows, p.width, eps);
  return {y.begin(), y.end()};
}

}  // namespace

TEST_CASE("layer_norm_s8 rows give the same codes as the reference") {
  for_each_row(layer_norm_s8_kernels(), [&](const KernelRow<LayerNormS8>& row) {
    for_each_width([&](int64_t width, Guard guard, size_t offset) {
      if (width == 0) return;
      const Problem p(3, width, 3'000, 500);
      CHECK(run(row, p, 0.5f, guard, offset) == run(scalar_row(), p, 0.5f));
    });
    for (int64_t width : {128, 1'000, 32'768}) {
      Problem p(2, width, 20'000, -9'000);
      CHECK(run(row, p, 1e-3f) == run(scalar_row(), p, 1e-3f));
      std::fill(p.x.begin(), p.x.end(), int16_t{-32'768});  // the largest sums, and no variance
      CHECK(run(row, p, 1e-3f) == run(scalar_row(), p, 1e-3f));
    }
  });
}

TEST_CASE("layer_norm_s8 is the layer norm of its integers") {
  const Problem p(20, 128, 800, 2'000);
  const std::vector<int8_t> y = run(scalar_row(), p, 0.25f);
  for (int64_t r = 0; r < p.rows; ++r) {
    const int16_t* x = p.x.data() + r * p.width;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < p.width; ++i) mean += x[i] / static_cast<double>(p.width);
    for (int64_t i = 0; i < p.width; ++i)
      variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(p.width);
    const double rstd = 1 / std::sqrt(variance + 0.25);
    for (int64_t i = 0; i < p.width; ++i) {
      const auto at = static_cast<size_t>(i);
      const double normalised = (x[i] - mean) * rstd;
      const double exact = std::clamp<double>(normalised * p.gamma[at] + p.beta[at], -128, 127);
      // Half a code for the last rounding; six single roundings of terms of this magnitude before.
      const double magnitude =
          (std::abs(x[i] * rstd) + std::abs(mean * rstd)) * std::abs(p.gamma[at]) +
          std::abs(p.beta[at]);
      CHECK(std::abs(y[static_cast<size_t>(r * p.width + i)] - exact) <=
            0.5 + 6 * epsilon * magnitude);
    }
  }
}

TEST_CASE("layer_norm_s8 on a GPU gives the CPU's codes") {
  const Tensor x = quantize(random_tensor({3, 7, 50}, 1, DType::f32), 1e-3, 0, DType::s16);
  check_device_gives_the_same(
      [](const auto& in) { return layer_norm_s8(in[0], in[1], in[2], 0.5); },
      {x, random_tensor({50}, 2, DType::f32, 40), random_tensor({50}, 3, DType::f32, 20)});
}

}  // namespace espalier::test::layer_norm_s8_tests
