// What the tests of matrix products with packed panels share: operands, forms, and the checks that
// every table of rows must pass.
#pragma once

#include "kernels/gemm_f32/gemm_f32.h"
#include "tests/kernel_test.h"

namespace espalier::test {

struct GemmShape {
  int64_t M, K, N;
};

// How a multiplication reads its operands and starts its sums.
struct Form {
  bool a_transposed = false, b_transposed = false, bias = false, accumulate = false;
};

template <class T>
std::vector<T> as(const std::vector<float>& values) {
  return std::vector<T>(values.begin(), values.end());
}

inline std::vector<float> normal(int64_t count, unsigned seed) {
  std::vector<float> values(static_cast<size_t>(count));
  fill_normal(values, seed);
  return values;
}

// Operands of one multiplication, stored transposed where the form says so.
struct Operands {
  GemmShape shape;
  Form form;
  std::vector<float> A, B, C, bias;

  Operands(GemmShape s, Form f)
      : shape(s),
        form(f),
        A(normal(s.M * s.K, 1)),
        B(normal(s.K * s.N, 2)),
        C(normal(s.M * s.N, 3)),
        bias(normal(s.N, 4)) {}

  int64_t a_row() const { return form.a_transposed ? 1 : shape.K; }
  int64_t a_k() const { return form.a_transposed ? shape.M : 1; }
  int64_t b_k() const { return form.b_transposed ? 1 : shape.N; }
  int64_t b_n() const { return form.b_transposed ? shape.K : 1; }
};

template <class T>
std::vector<T> pack(const GemmKernel<T>& row, const Operands& o, const T* B) {
  const auto [M, K, N] = o.shape;
  std::vector<T> packed(static_cast<size_t>(row.packed_size(K, N)));
  row.pack_b(B, o.b_k(), o.b_n(), K, N, packed.data());
  return packed;
}

template <class T>
Gemm<T> gemm_of(const Operands& o, const T* A, const T* packed, T* C, const T* bias) {
  Gemm<T> g;
  g.M = o.shape.M, g.K = o.shape.K, g.N = o.shape.N;
  g.A = A, g.a_row_stride = o.a_row(), g.a_k_stride = o.a_k();
  g.packed_b = packed;
  g.C = C, g.c_row_stride = o.shape.N;
  g.bias = o.form.bias ? bias : nullptr;
  g.accumulate = o.form.accumulate;
  return g;
}

template <class T>
std::vector<T> multiply(const GemmKernel<T>& row, const Operands& o) {
  const auto A = as<T>(o.A), B = as<T>(o.B), bias = as<T>(o.bias);
  auto C = as<T>(o.C);
  const auto packed = pack(row, o, B.data());
  row.run(gemm_of(o, A.data(), packed.data(), C.data(), bias.data()));
  return C;
}

inline const GemmKernel<double>& reference_row() { return gemm_kernels<double>().back(); }

inline std::vector<double> reference(const Operands& o) { return multiply(reference_row(), o); }

// Sum of the magnitudes that meet in each C[m, n].
inline std::vector<double> magnitude(Operands o) {
  for (auto* values : {&o.A, &o.B, &o.C, &o.bias})
    for (float& v : *values) v = std::abs(v);
  return reference(o);
}

// What a table of rows computes: sums of products of operands that it may round first.
struct GemmTable {
  std::span<const GemmKernel<float>> rows;
  float (*left)(float);   // an element of A, as the rows take it
  float (*right)(float);  // and one of B
  // The most that a sum of K terms may be off, by the sum of their magnitudes.
  double (*bound)(int64_t K, double magnitude);

  Operands taken(Operands o) const {
    for (float& v : o.A) v = left(v);
    for (float& v : o.B) v = right(v);
    return o;
  }
  // The product in double, and how far each of its elements may be off.
  struct Expected {
    std::vector<double> values, bounds;
  };
  Expected expected(const Operands& o) const {
    const Operands as_taken = taken(o);
    Expected product{reference(as_taken), magnitude(as_taken)};
    for (double& size : product.bounds) size = bound(o.shape.K, size);
    return product;
  }
  static void check(const std::vector<float>& C, const Expected& product) {
    check_close(C, product.values, [&](size_t i) { return product.bounds[i]; });
  }
  void check_against_reference(const std::vector<float>& C, const Operands& o) const {
    check(C, expected(o));
  }
};

inline constexpr Form forms[] = {{},
                                 {.a_transposed = true},
                                 {.b_transposed = true},
                                 {.a_transposed = true, .b_transposed = true},
                                 {.bias = true},
                                 {.accumulate = true},
                                 {.a_transposed = true, .accumulate = true},
                                 {.bias = true, .accumulate = true}};

template <class F>
void for_each_form(F f) {
  for (const Form& form : forms) {
    INFO("A^T ", form.a_transposed, " B^T ", form.b_transposed, " bias ", form.bias, " accumulate ",
         form.accumulate);
    f(form);
  }
}

// Shapes that cross every boundary of the blocking: tiles, panels, k-blocks, row blocks.
inline const std::vector<GemmShape>& boundary_shapes() {
  static const std::vector<GemmShape> shapes = {
      {1, 1, 1}, {5, 0, 7}, {7, 3, 33}, {13, 257, 31}, {97, 128, 16}, {25, 129, 1}, {103, 300, 35}};
  return shapes;
}

// Every shape up to 33.
inline void check_every_small_shape(const GemmTable& table) {
  constexpr int64_t most = 33;
  const Operands all({most, most, most}, {});
  for_each_row(table.rows, [&](const auto& row) {
    std::vector<float> packed(static_cast<size_t>(row.packed_size(most, most)));
    std::vector<float> C(static_cast<size_t>(most * most));
    for (int64_t K = 1; K <= most; ++K) {
      Operands o = all;
      o.shape.K = K;
      o.A.clear();
      for (int64_t m = 0; m < most; ++m)
        o.A.insert(o.A.end(), all.A.begin() + m * most, all.A.begin() + m * most + K);
      const auto expected = table.expected(o);
      for (int64_t N = 1; N <= most; ++N) {
        row.pack_b(o.B.data(), most, 1, K, N, packed.data());
        for (int64_t M = 1; M <= most; ++M) {
          Gemm<float> g = gemm_of(o, o.A.data(), packed.data(), C.data(), o.bias.data());
          g.M = M, g.N = N;
          row.run(g);
          int64_t wrong = 0;
          for (int64_t m = 0; m < M; ++m)
            for (int64_t n = 0; n < N; ++n) {
              const size_t i = static_cast<size_t>(m * most + n);
              wrong += !agrees(C[i], expected.values[i], expected.bounds[i]);
            }
          if (wrong == 0) continue;
          INFO("M ", M, " K ", K, " N ", N, ": ", wrong, " elements differ");
          CHECK(false);
          return;
        }
      }
    }
  });
}

inline void check_transformer_shapes(const GemmTable& table) {
  constexpr GemmShape shapes[] = {{49, 128, 128}, {49, 384, 128}, {49, 512, 128}, {49, 128, 512},
                                  {50, 448, 128}, {50, 128, 384}, {128, 800, 64}, {1, 512, 10}};
  for (const GemmShape& s : shapes)
    for (const Form form : {Form{.b_transposed = true, .bias = true}, Form{},
                            Form{.a_transposed = true, .accumulate = true}}) {
      INFO("M ", s.M, " K ", s.K, " N ", s.N);
      const Operands o(s, form);
      const auto expected = table.expected(o);
      for_each_row(table.rows, [&](const auto& row) { table.check(multiply(row, o), expected); });
    }
}

// Nothing but the operands is touched, at any alignment.
inline void check_guard_pages(const GemmTable& table) {
  for_each_row(table.rows, [&](const auto& row) {
    for (const GemmShape& s : boundary_shapes())
      for_each_form([&](const Form& form) {
        const Operands o(s, form);
        const auto expected = multiply(row, o);
        for (const auto& [guard, offset] :
             {std::pair{Guard::back, size_t{0}}, std::pair{Guard::front, size_t{1}}}) {
          Guarded<float> A(o.A.size(), guard, offset), B(o.B.size(), guard, offset);
          Guarded<float> C(o.C.size(), guard, offset), bias(o.bias.size(), guard, offset);
          Guarded<float> packed(static_cast<size_t>(row.packed_size(s.K, s.N)), guard, offset);
          std::copy(o.A.begin(), o.A.end(), A.begin());
          std::copy(o.B.begin(), o.B.end(), B.begin());
          std::copy(o.C.begin(), o.C.end(), C.begin());
          std::copy(o.bias.begin(), o.bias.end(), bias.begin());
          row.pack_b(B.data(), o.b_k(), o.b_n(), s.K, s.N, packed.data());
          row.run(gemm_of<float>(o, A.data(), packed.data(), C.data(), bias.data()));
          CHECK(std::equal(expected.begin(), expected.end(), C.begin(), same_bits<float>));
        }
      });
  });
}

// The columns between N and the row stride are left alone.
inline void check_row_stride(const GemmTable& table) {
  for_each_row(table.rows, [&](const auto& row) {
    for (const GemmShape& s : boundary_shapes()) {
      const Operands o(s, {});
      const auto expected = multiply(row, o), packed = pack(row, o, o.B.data());
      const int64_t stride = s.N + 3;
      std::vector<float> C(static_cast<size_t>(s.M * stride), 77.0f);
      Gemm<float> g = gemm_of(o, o.A.data(), packed.data(), C.data(), o.bias.data());
      g.c_row_stride = stride;
      row.run(g);
      for (int64_t m = 0; m < s.M; ++m)
        for (int64_t n = 0; n < stride; ++n) {
          const float want = n < s.N ? expected[static_cast<size_t>(m * s.N + n)] : 77.0f;
          CHECK(same_bits(C[static_cast<size_t>(m * stride + n)], want));
        }
    }
  });
}

// A range of rows, panels or K gives the bits of the whole.
inline void check_ranges(const GemmTable& table) {
  const Operands o({31, 300, 77}, {.a_transposed = true, .bias = true});
  for_each_row(table.rows, [&](const auto& row) {
    const auto expected = multiply(row, o), packed = pack(row, o, o.B.data());
    std::vector<float> C(o.C.size());
    const auto whole = gemm_of(o, o.A.data(), packed.data(), C.data(), o.bias.data());
    const int64_t panels = gemm_panel_count(row.panel, o.shape.N);
    for (int64_t p = 0; p < panels; ++p) {
      const auto part = gemm_panels(whole, row, p, p + 1);
      row.run(gemm_rows(part, 0, 4));
      row.run(gemm_rows(part, 4, 31));
    }
    CHECK(std::equal(C.begin(), C.end(), expected.begin(), same_bits<float>));

    std::vector<float> part_b(packed.size());
    for (int64_t k = 0; k < o.shape.K; k += 128) {
      auto part = whole;
      part.K = std::min<int64_t>(128, o.shape.K - k);
      part.A += k * part.a_k_stride;
      if (k > 0) part.accumulate = true, part.bias = nullptr;
      row.pack_b(o.B.data() + k * o.b_k(), o.b_k(), o.b_n(), part.K, part.N, part_b.data());
      part.packed_b = part_b.data();
      row.run(part);
    }
    CHECK(std::equal(C.begin(), C.end(), expected.begin(), same_bits<float>));
  });
}

// Special values propagate, in tails too.
inline void check_special_values(const GemmTable& table) {
  for_each_row(table.rows, [&](const auto& row) {
    for (float special : special_values())
      for_each_form([&](const Form& form) {
        INFO("value ", special);
        Operands o({7, 5, 19}, form);
        for (auto* values : {&o.A, &o.B})
          for (float& v : *values) v /= 16;  // the largest float times any of them stays finite
        for (auto values : {&Operands::A, &Operands::B})
          for (size_t place = 0; place < 3; ++place) {
            Operands p = o;
            (p.*values)[place * ((p.*values).size() - 1) / 2] = special;
            table.check_against_reference(multiply(row, p), p);
          }
      });
  });
}

// The chain of fused multiply-adds of each element that differs from C's.
inline int64_t differing_chains(const Operands& o, const std::vector<float>& C) {
  int64_t wrong = 0;
  for (int64_t m = 0; m < o.shape.M; ++m)
    for (int64_t n = 0; n < o.shape.N; ++n) {
      const size_t i = static_cast<size_t>(m * o.shape.N + n);
      float sum = o.form.accumulate ? o.C[i] : 0.0f;
      if (o.form.bias) sum += o.bias[static_cast<size_t>(n)];
      for (int64_t k = 0; k < o.shape.K; ++k)
        sum = std::fma(o.A[static_cast<size_t>(m * o.a_row() + k * o.a_k())],
                       o.B[static_cast<size_t>(k * o.b_k() + n * o.b_n())], sum);
      wrong += !same_bits(sum, C[i]);
    }
  return wrong;
}

}  // namespace espalier::test
