// Exact products of 8-bit codes, with the three endings that an encoder in whole numbers gives
// them.
#include "kernels/gemm_s8/gemm_s8.h"

#include "bench/cases/case.h"

namespace espalier::bench {
namespace {

struct Shape {
  int64_t M, K, N;
};

// Weights are packed beforehand, as a layer's are. C holds `Out`: int8_t codes, or the int16_t
// stream that is added to.
template <class Out>
struct Data {
  Shape shape;
  Values<int8_t> A, B, table;
  Values<int32_t> bias;
  Floats multiplier;
  Values<Out> before, C;

  // Multipliers bring sums of K products of codes back to about the deviation of codes.
  Data(const Shape& s, bool with_table)
      : shape(s),
        A(whole_numbers<int8_t>(s.M * s.K, 1, 40)),
        B(whole_numbers<int8_t>(s.K * s.N, 2, 40)),
        table(with_table ? whole_numbers<int8_t>(256, 3, 40) : Values<int8_t>()),
        bias(static_cast<size_t>(s.N), 1234),
        multiplier(static_cast<size_t>(s.N), 1 / (40 * std::sqrt(static_cast<float>(s.K)))),
        before(whole_numbers<Out>(s.M * s.N, 4, 40)),
        C(before) {}
};

template <class Out>
Values<std::byte> packed(const GemmS8Kernel& row, const Data<Out>& d) {
  Values<std::byte> out(static_cast<size_t>(row.packed_size(d.shape.K, d.shape.N)));
  row.pack_b(d.B.data(), d.shape.N, 1, d.shape.K, d.shape.N, out.data());
  return out;
}

// Rows [begin, end) of C.
template <class Out>
GemmS8 product(Data<Out>& d, const std::byte* packed_b, int64_t begin, int64_t end) {
  const auto& [M, K, N] = d.shape;
  GemmS8 g;
  g.M = end - begin, g.N = N, g.K = K;
  g.A = d.A.data() + begin * K, g.a_row_stride = K;
  g.packed_b = packed_b;
  g.bias = d.bias.data();
  g.output = sizeof(Out) == 1 ? GemmS8Output::s8 : GemmS8Output::s16_sum;
  g.multiplier = d.multiplier.data();
  g.zero_point = sizeof(Out) == 1 ? -3 : 0;
  g.table = d.table.empty() ? nullptr : d.table.data();
  g.C = d.C.data() + begin * N, g.c_row_stride = N;
  return g;
}

template <class Out>
KernelCase gemm_s8(const Shape& s, bool with_table) {
  const auto d = std::make_shared<Data<Out>>(s, with_table);
  const auto m = static_cast<double>(s.M), k = static_cast<double>(s.K),
             n = static_cast<double>(s.N);
  const double passes = sizeof(Out) == 1 ? 1 : 2;  // the stream is read, too
  KernelCase out = {{2 * m * k * n, m * k + k * n + passes * sizeof(Out) * m * n, m * n},
                    s.M,
                    row_grain(s.M, s.K, s.N),
                    {},
                    {},
                    DType::s8};
  const GemmS8Kernel& reference = gemm_s8_kernels().back();
  reference.run(product(*d, packed(reference, *d).data(), 0, s.M));
  out.oracle.expect_exactly(d->C, sizeof(Out) == 1 ? unlike(d->C) : d->before, Values<Out>(d->C));
  out.contenders = contenders(gemm_s8_kernels(), [&](const GemmS8Kernel& row) {
    return [d, run = row.run, weights = packed(row, *d)](int64_t begin, int64_t end) {
      run(product(*d, weights.data(), begin, end));
    };
  });
  return out;
}

// The four products of a block, by the layers' names, for so many tokens.
void add_block(Cases& cases, int64_t tokens, int64_t hidden) {
  constexpr int64_t width = 128;
  const auto add = [&](const char* layer, const Shape& s, const auto& make) {
    const std::string name = std::string("gemm_s8_") + layer + "/" + std::to_string(s.M) + "x" +
                             std::to_string(s.K) + "x" + std::to_string(s.N);
    cases.push_back({name, [s, make] { return make(s); }});
  };
  const auto codes = [](const Shape& s) { return gemm_s8<int8_t>(s, false); };
  const auto gelu = [](const Shape& s) { return gemm_s8<int8_t>(s, true); };
  const auto sum = [](const Shape& s) { return gemm_s8<int16_t>(s, false); };
  add("codes", {tokens, width, 3 * width}, codes);
  add("sum", {tokens, width, width}, sum);
  add("gelu", {tokens, width, hidden}, gelu);
  add("sum", {tokens, hidden, width}, sum);
}

}  // namespace

void add_gemm_s8_cases(Cases& cases) {
  for (const int64_t images : {1, 256}) {
    add_block(cases, 49 * images, 226);  // vit-fashion
    add_block(cases, 50 * images, 448);  // vit-peer
  }
}

}  // namespace espalier::bench
