#include "kernels/gemm_s8/gemm_s8.h"

#include <algorithm>

#include "tests/kernel_test.h"

namespace espalier::test::gemm_s8_tests {
namespace {

struct Shape {
  int64_t M, K, N;
};

template <class T>
std::vector<T> uniform(int64_t count, int low, int high, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> values(low, high);
  std::vector<T> out(static_cast<size_t>(count));
  for (T& v : out) v = static_cast<T>(values(engine));
  return out;
}

// One multiplication with everything that an output may need.
struct Problem {
  Shape shape;
  GemmS8Output output;
  bool bias, table, transposed;
  std::vector<int8_t> A, B, codes = uniform<int8_t>(256, -128, 127, 5);
  std::vector<int32_t> offsets;
  std::vector<float> multipliers;
  std::vector<int16_t> before;
  int zero_point = -7;

  Problem(Shape s, GemmS8Output out, bool with_bias, bool with_table = false,
          bool b_transposed = false)
      : shape(s),
        output(out),
        bias(with_bias),
        table(with_table),
        transposed(b_transposed),
        A(uniform<int8_t>(s.M * s.K, -128, 127, 1)),
        B(uniform<int8_t>(s.K * s.N, -128, 127, 2)),
        offsets(uniform<int32_t>(s.N, -40'000, 40'000, 3)),
        before(uniform<int16_t>(s.M * s.N, -32'768, 32'767, 4)) {
    // From hardly any output in range to all of it, ties included.
    for (int64_t n = 0; n < s.N; ++n) multipliers.push_back(std::ldexp(1.0f, -1 - int(n % 14)));
  }

  int64_t k_stride() const { return transposed ? 1 : shape.N; }
  int64_t n_stride() const { return transposed ? shape.K : 1; }
};

// What the contract says, in 64 bits and double.
int64_t expected_at(const Problem& p, int64_t m, int64_t n) {
  int64_t sum = p.bias ? p.offsets[static_cast<size_t>(n)] : 0;
  for (int64_t k = 0; k < p.shape.K; ++k)
    sum += int64_t{p.A[static_cast<size_t>(m * p.shape.K + k)]} *
           p.B[static_cast<size_t>(k * p.k_stride() + n * p.n_stride())];
  if (p.output == GemmS8Output::s32) return sum;
  const float scaled = static_cast<float>(sum) * p.multipliers[static_cast<size_t>(n)];
  const double rounded = std::nearbyint(static_cast<double>(scaled));
  if (p.output == GemmS8Output::s16_sum)
    return static_cast<int64_t>(std::clamp(
        p.before[static_cast<size_t>(m * p.shape.N + n)] + std::clamp(rounded, -32'768.0, 32'767.0),
        -32'768.0, 32'767.0));
  const auto code = static_cast<int64_t>(std::clamp(rounded + p.zero_point, -128.0, 127.0));
  return p.table ? p.codes[static_cast<size_t>(code + 128)] : code;
}

// C, between untouched pages, with `gap` untouched elements behind each row.
template <class T>
std::vector<int64_t> run(const GemmS8Kernel& row, const Problem& p, Guard guard, int64_t gap) {
  const auto [M, K, N] = p.shape;
  const auto size = [](int64_t count) { return static_cast<size_t>(count); };
  Guarded<int8_t> A(p.A.size(), guard), B(p.B.size(), guard);
  std::copy(p.A.begin(), p.A.end(), A.begin());
  std::copy(p.B.begin(), p.B.end(), B.begin());
  Guarded<int32_t> bias(p.offsets.size(), guard);
  std::copy(p.offsets.begin(), p.offsets.end(), bias.begin());
  Guarded<float> multiplier(p.multipliers.size(), guard);
  std::copy(p.multipliers.begin(), p.multipliers.end(), multiplier.begin());
  Guarded<std::byte> packed(size(row.packed_size(K, N)), guard);
  row.pack_b(B.data(), p.k_stride(), p.n_stride(), K, N, packed.data());
  const int64_t stride = N + gap;
  Guarded<T> C(size(M ? (M - 1) * stride + N : 0), guard);
  constexpr T untouched = 99;
  std::fill(C.begin(), C.end(), untouched);
  for (int64_t i = 0; p.output == GemmS8Output::s16_sum && i < M * N; ++i)
    C[size(i / N * stride + i % N)] = static_cast<T>(p.before[size(i)]);
  GemmS8 g;
  g.M = M, g.N = N, g.K = K;
  g.A = A.data(), g.a_row_stride = K;
  g.packed_b = packed.data();
  g.bias = p.bias ? bias.data() : nullptr;
  g.output = p.output;
  g.multiplier = multiplier.data();
  g.zero_point = p.zero_point;
  g.table = p.table ? p.codes.data() : nullptr;
  g.C = C.data(), g.c_row_stride = stride;
  row.run(g);
  std::vector<int64_t> out;
  for (int64_t m = 0; m < M; ++m)
    for (int64_t n = 0; n < stride && size(m * stride + n) < C.size(); ++n) {
      const T value = C[size(m * stride + n)];
      if (n < N) out.push_back(value);
      if (n >= N) CHECK(value == untouched);
    }
  return out;
}

void check(const Problem& p, Guard guard = Guard::back, int64_t gap = 0) {
  INFO("M ", p.shape.M, ", K ", p.shape.K, ", N ", p.shape.N, ", output ", int(p.output));
  std::vector<int64_t> expected;
  for (int64_t m = 0; m < p.shape.M; ++m)
    for (int64_t n = 0; n < p.shape.N; ++n) expected.push_back(expected_at(p, m, n));
  for_each_row(gemm_s8_kernels(), [&](const GemmS8Kernel& row) {
    CHECK((p.output == GemmS8Output::s32  ? run<int32_t>(row, p, guard, gap)
           : p.output == GemmS8Output::s8 ? run<int8_t>(row, p, guard, gap)
                                          : run<int16_t>(row, p, guard, gap)) == expected);
  });
}

constexpr GemmS8Output outputs[] = {GemmS8Output::s32, GemmS8Output::s8, GemmS8Output::s16_sum};

}  // namespace

TEST_CASE("gemm_s8 rows give the exact integers for all small shapes") {
  for (int64_t M = 0; M <= 13; ++M)
    for (int64_t N = 0; N <= 17; ++N)
      for (int64_t K : {0, 1, 2, 3, 4, 5, 7, 8, 17})
        check({{M, K, N}, outputs[(M + N) % 3], (M + K) % 2 == 0, M % 2 == 0, K % 2 == 1});
}

TEST_CASE("gemm_s8 rows give the exact integers over widths, guards and strides") {
  for (GemmS8Output output : outputs)
    for (int64_t width = 0; width <= 67; ++width) {
      check({{3, width, 5}, output, true}, Guard::front, 3);
      check({{2, 9, width}, output, true, true}, Guard::front, 1);
      check({{width, 6, 4}, output, false}, Guard::back, 2);
    }
}

TEST_CASE("gemm_s8 rows give the exact integers for the models' shapes and for a long K") {
  for (GemmS8Output output : outputs)
    for (const Shape& shape : {Shape{50, 128, 384},
                               {50, 128, 448},
                               {50, 448, 128},
                               {17, 272, 128},
                               {100, 64, 40},
                               {13, 5'000, 35},
                               {3, 4'097, 33}})
      check({shape, output, true, true});
}

TEST_CASE("gemm_s8 on a GPU gives the exact integers where there are many large tiles") {
  if (!gpu_reads_host_memory()) return;
  check({{1000, 144, 2000}, GemmS8Output::s8, true, true, true});
}

TEST_CASE("gemm_s8 rows keep 32 bits at the largest sums") {
  Problem p({2, gemm_s8_longest_k, 3}, GemmS8Output::s32, false);
  std::fill(p.A.begin(), p.A.end(), int8_t{-128});
  for (size_t i = 0; i < p.B.size(); ++i) p.B[i] = i % 3 ? int8_t{127} : int8_t{-128};
  check(p);
}

TEST_CASE("gemm_s8 panels multiply apart what they multiply together") {
  const Problem p({9, 20, 70}, GemmS8Output::s8, true);
  for_each_row(gemm_s8_kernels(), [&](const GemmS8Kernel& row) {
    std::vector<std::byte> packed(static_cast<size_t>(row.packed_size(20, 70)));
    row.pack_b(p.B.data(), 70, 1, 20, 70, packed.data());
    std::vector<int8_t> whole(9 * 70), parts(9 * 70);
    GemmS8 g;
    g.M = 9, g.N = 70, g.K = 20;
    g.A = p.A.data(), g.a_row_stride = 20;
    g.packed_b = packed.data();
    g.bias = p.offsets.data(), g.multiplier = p.multipliers.data();
    g.output = p.output;
    g.C = whole.data(), g.c_row_stride = 70;
    row.run(g);
    g.C = parts.data();
    const int64_t panels = (70 + row.panel - 1) / row.panel;
    for (int64_t i = 0; i < panels; ++i) row.run(gemm_s8_panels(row, g, i, i + 1));
    CHECK(parts == whole);
    std::fill(parts.begin(), parts.end(), int8_t{0});
    for (int64_t m = 0; m < g.M; m += 4) row.run(gemm_s8_rows(g, m, std::min<int64_t>(g.M, m + 4)));
    CHECK(parts == whole);
  });
}

}  // namespace espalier::test::gemm_s8_tests
