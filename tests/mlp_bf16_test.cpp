#include "kernels/mlp_bf16/mlp_bf16.h"

#include <algorithm>
#include <memory>

#include "kernels/cast/cast.h"
#include "kernels/gemm_half/gemm_half.h"
#include "tests/gemm_test.h"

namespace espalier::test::mlp_bf16_tests {
namespace {

double bf16(float x) { return cast_detail::to_float(cast_detail::to_bfloat16(x)); }

double gelu_of(double x) { return x < -40 ? 0 : x * 0.5 * std::erfc(-x * std::sqrt(0.5)); }

struct MlpShape {
  int64_t M, K, H, N;
};

// Blocks of rows, tiles of rows and of k, and panels, each cut short, whole, and exceeded; the
// peer's.
constexpr MlpShape shapes[] = {{1, 1, 1, 1},      {5, 33, 31, 7},     {17, 32, 33, 33},
                               {32, 64, 64, 32},  {33, 7, 130, 40},   {97, 65, 32, 64},
                               {130, 40, 70, 35}, {50, 128, 448, 128}};

struct Mlp {
  MlpShape shape;
  bool biases, accumulate;
  std::vector<float> x, up, up_bias, down, down_bias, y;

  Mlp(const MlpShape& s, bool with_biases, bool onto_y)
      : shape(s),
        biases(with_biases),
        accumulate(onto_y),
        x(normal(s.M * s.K, 1)),
        up(normal(s.K * s.H, 2)),
        up_bias(normal(s.H, 3)),
        down(normal(s.H * s.N, 4)),
        down_bias(normal(s.N, 5)),
        y(normal(s.M * s.N, 6)) {
    for (float& w : up) w /= std::sqrt(static_cast<float>(s.K));
  }
};

std::vector<float> packed(Isa isa, const std::vector<float>& weight, int64_t K, int64_t N) {
  const auto& row = gemm_half_bf16_row(isa);
  std::vector<float> panels(static_cast<size_t>(row.packed_size(K, N)));
  row.pack_b(weight.data(), N, 1, K, N, panels.data());
  return panels;
}

// Operands in packed form.
struct Packed {
  std::vector<float> up, down, scratch;

  Packed(Isa isa, const Mlp& m)
      : up(packed(isa, m.up, m.shape.K, m.shape.H)),
        down(packed(isa, m.down, m.shape.H, m.shape.N)),
        scratch(static_cast<size_t>(mlp_bf16_scratch(m.shape.K, m.shape.H))) {}

  MlpBf16 call(const Mlp& m, const float* x, float* y) {
    const auto [M, K, H, N] = m.shape;
    return {M,
            K,
            H,
            N,
            x,
            K,
            up.data(),
            m.biases ? m.up_bias.data() : nullptr,
            down.data(),
            m.biases ? m.down_bias.data() : nullptr,
            y,
            N,
            m.accumulate,
            scratch.data()};
  }
};

std::vector<float> result_of(const KernelRow<MlpBf16Run>& row, const Mlp& m) {
  std::vector<float> y = m.y;
  Packed operands(row.isa, m);
  row.run(operands.call(m, m.x.data(), y.data()));
  return y;
}

// In double, and how far a row may be off.
struct Expected {
  std::vector<double> y, bound;
};

// A sum of K products of fp32 numbers: K sums and two additions before them, each rounded once.
// Where denormals count as zero each loses another 2^-126 at most, and each product 2^-126 times
// its other operand, here below 2^4.
double sum_error(int64_t K, double magnitude) {
  return static_cast<double>(K + 2) * (epsilon * magnitude + 17 * 0x1p-126);
}

// The slope of GELU stays below 1.13, and its own error is a share of its argument; the hidden
// value is then rounded by half a unit of eight bits.
double hidden_error(double v, double error) {
  const double before = 1.13 * error + mlp_bf16_gelu_error * (std::abs(v) + error);
  return before + 0x1p-8 * (std::abs(gelu_of(v)) + before);
}

Expected expected_of(const Mlp& m) {
  const auto [M, K, H, N] = m.shape;
  Expected out;
  std::vector<double> hidden(static_cast<size_t>(H)), error = hidden;
  const auto at = [](const std::vector<float>& values, int64_t i) {
    return values[static_cast<size_t>(i)];
  };
  for (int64_t row = 0; row < M; ++row) {
    for (int64_t j = 0; j < H; ++j) {
      double sum = m.biases ? at(m.up_bias, j) : 0, size = std::abs(sum);
      for (int64_t k = 0; k < K; ++k) {
        const double term = bf16(at(m.x, row * K + k)) * bf16(at(m.up, k * H + j));
        sum += term, size += std::abs(term);
      }
      hidden[static_cast<size_t>(j)] = gelu_of(sum);
      error[static_cast<size_t>(j)] = hidden_error(sum, sum_error(K, size));
    }
    for (int64_t n = 0; n < N; ++n) {
      const double before = m.accumulate ? at(m.y, row * N + n) : 0;
      const double bias = m.biases ? at(m.down_bias, n) : 0;
      double sum = before + bias, size = std::abs(before) + std::abs(bias), off = 0;
      for (int64_t j = 0; j < H; ++j) {
        const double weight = bf16(at(m.down, j * N + n)), h = hidden[static_cast<size_t>(j)];
        sum += h * weight;
        off += error[static_cast<size_t>(j)] * std::abs(weight);
        size += (std::abs(h) + error[static_cast<size_t>(j)]) * std::abs(weight);
      }
      out.y.push_back(sum);
      out.bound.push_back(off + sum_error(H, size));
    }
  }
  return out;
}

// A layer of one weight of 1 on each side, so that y is the GELU of x, each rounded.
std::vector<float> gelu_by(const KernelRow<MlpBf16Run>& row, const std::vector<float>& x) {
  Mlp m({static_cast<int64_t>(x.size()), 1, 1, 1}, false, false);
  m.x = x, m.up = m.down = {1.0f};
  return result_of(row, m);
}

}  // namespace

TEST_CASE("mlp_bf16 rows agree with the double reference") {
  for (const MlpShape& s : shapes)
    for (const bool biases : {false, true})
      for (const bool accumulate : {false, true}) {
        INFO("M ", s.M, " K ", s.K, " H ", s.H, " N ", s.N, " ", biases, accumulate);
        const Mlp m(s, biases, accumulate);
        const Expected expected = expected_of(m);
        for_each_row(mlp_bf16_kernels(), [&](const auto& row) {
          check_close(result_of(row, m), expected.y, [&](size_t i) { return expected.bound[i]; });
        });
      }
}

TEST_CASE("mlp_bf16 rows take GELU as exactly as they say, special values too") {
  std::vector<float> x = special_values();
  for (int i = -4096; i <= 4096; ++i) x.push_back(static_cast<float>(i) / 512);
  for_each_row(mlp_bf16_kernels(), [&](const auto& row) {
    const auto y = gelu_by(row, x);
    for (size_t i = 0; i < x.size(); ++i) {
      const double v = bf16(x[i]);
      const bool vanishes = std::isinf(v) && v < 0;
      const double exact = vanishes ? 0 : gelu_of(v);
      const double bound = hidden_error(vanishes ? -4 : v, sum_error(1, std::abs(exact)));
      INFO("of ", v, " as ", y[i]);
      CHECK(agrees(y[i], exact, bound));
    }
  });
}

TEST_CASE("mlp_bf16 rows give a range of rows the bits of the whole, and touch nothing else") {
  for_each_row(mlp_bf16_kernels(), [&](const auto& row) {
    const Mlp m({130, 40, 70, 35}, true, true);
    const auto whole = result_of(row, m);
    Packed operands(row.isa, m);
    constexpr int64_t gap = 3;
    const int64_t K = m.shape.K, N = m.shape.N, x_stride = K + gap, y_stride = N + gap;
    std::vector<float> x(static_cast<size_t>(m.shape.M * x_stride), 1e9f);
    std::vector<float> y(static_cast<size_t>(m.shape.M * y_stride), 77.0f);
    for (int64_t r = 0; r < m.shape.M; ++r) {
      std::copy_n(m.x.begin() + r * K, K, x.begin() + r * x_stride);
      std::copy_n(m.y.begin() + r * N, N, y.begin() + r * y_stride);
    }
    for (int64_t r = 0, rows = 1; r < m.shape.M;
         r += rows, rows = std::min(3 * rows, m.shape.M - r)) {
      MlpBf16 part = operands.call(m, x.data() + r * x_stride, y.data() + r * y_stride);
      part.M = rows, part.x_row_stride = x_stride, part.y_row_stride = y_stride;
      row.run(part);
    }
    for (int64_t r = 0; r < m.shape.M; ++r)
      for (int64_t n = 0; n < y_stride; ++n) {
        const float want = n < N ? whole[static_cast<size_t>(r * N + n)] : 77.0f;
        CHECK(same_bits(y[static_cast<size_t>(r * y_stride + n)], want));
      }
  });
}

TEST_CASE("mlp_bf16 rows stay within their operands, at any alignment") {
  const auto guarded = [](const std::vector<float>& values, Guard guard, size_t offset) {
    auto memory = std::make_unique<Guarded<float>>(values.size(), guard, offset);
    std::copy(values.begin(), values.end(), memory->begin());
    return memory;
  };
  for_each_row(mlp_bf16_kernels(), [&](const auto& row) {
    for (const MlpShape& s : shapes) {
      const Mlp m(s, true, true);
      const Packed p(row.isa, m);
      const auto expected = result_of(row, m);
      for (const auto& [guard, offset] :
           {std::pair{Guard::back, size_t{0}}, std::pair{Guard::front, size_t{1}}}) {
        const auto x = guarded(m.x, guard, offset), y = guarded(m.y, guard, offset);
        const auto up = guarded(p.up, guard, offset), down = guarded(p.down, guard, offset);
        const auto up_bias = guarded(m.up_bias, guard, offset);
        const auto down_bias = guarded(m.down_bias, guard, offset);
        const auto scratch = guarded(p.scratch, guard, offset);
        row.run({s.M, s.K, s.H, s.N, x->data(), s.K, up->data(), up_bias->data(), down->data(),
                 down_bias->data(), y->data(), s.N, true, scratch->data()});
        CHECK(std::equal(expected.begin(), expected.end(), y->begin(), same_bits<float>));
      }
    }
  });
}

}  // namespace espalier::test::mlp_bf16_tests
