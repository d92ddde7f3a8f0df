// Matrix products in fp32, of operands rounded to bf16, and with a right-hand side in half
// precision.
#include "engine/gemm.h"
#include "bench/cases/case.h"
#include "bench/cases/eigen_gemm.h"
#include "kernels/cast/cast.h"
#include "kernels/gemm_bf16/gemm_bf16.h"
#include "kernels/gemm_half/gemm_half.h"

namespace espalier::bench {
namespace {

// A table of rows, in what its rows take the operands A and B, and what linear and matmul call them
// for, if they do.
struct Table {
  const char* name;
  std::span<const GemmKernel<float>> rows;
  DType left, right;
  std::optional<Precision> precision;
  // bf16 widened to fp32 is held against what bf16 has.
  DType arithmetic() const { return left; }
};

struct Data {
  int64_t M, K, N;
  Floats A, B, C;
};

std::shared_ptr<Data> make_data(int64_t M, int64_t K, int64_t N) {
  auto d = std::make_shared<Data>(Data{M, K, N, normal(M * K, 1), normal(K * N, 2), {}});
  d->C.resize(static_cast<size_t>(M * N));
  return d;
}

template <class T, class Values>
Values pack(const GemmKernel<T>& row, const Values& B, int64_t K, int64_t N) {
  Values packed(static_cast<size_t>(row.packed_size(K, N)));
  row.pack_b(B.data(), N, 1, K, N, packed.data());
  return packed;
}

// C[begin:end] = A[begin:end] B, from its first rows.
template <class T>
Gemm<T> product(const Data& d, const T* A, const T* packed_b, T* C, int64_t begin, int64_t end) {
  Gemm<T> g;
  g.M = d.M, g.N = d.N, g.K = d.K;
  g.A = A, g.a_row_stride = d.K, g.a_k_stride = 1;
  g.packed_b = packed_b;
  g.C = C, g.c_row_stride = d.N;
  return gemm_rows(g, begin, end);
}

// A B in double.
std::vector<double> reference(const Data& d, const std::vector<double>& A,
                              const std::vector<double>& B) {
  const auto& row = gemm_kernels<double>().back();
  const std::vector<double> packed = pack(row, B, d.K, d.N);
  std::vector<double> C(A.size() / static_cast<size_t>(d.K) * static_cast<size_t>(d.N));
  row.run(product(d, A.data(), packed.data(), C.data(), 0, static_cast<int64_t>(A.size()) / d.K));
  return C;
}

template <class Half>
Floats rounded(Floats values) {
  for (float& value : values) value = cast_detail::to_float(cast_detail::convert<Half>(value));
  return values;
}

Floats as_taken(const Floats& values, DType dtype) {
  return dtype == DType::bf16  ? rounded<BFloat16>(values)
         : dtype == DType::f16 ? rounded<Float16>(values)
                               : values;
}

// Expects up to 64 rows, spread evenly; each element within the rounding of K products and sums.
void expect_rows(Oracle& oracle, Data& d, const Table& table) {
  const int64_t stride = (d.M + 63) / 64;
  const Floats left = as_taken(d.A, table.left);
  std::vector<double> A, B = widened(as_taken(d.B, table.right));
  for (int64_t m = 0; m < d.M; m += stride)
    A.insert(A.end(), left.begin() + m * d.K, left.begin() + (m + 1) * d.K);
  const std::vector<double> expected = reference(d, A, B);
  for (auto* values : {&A, &B})
    for (double& value : *values) value = std::abs(value);
  const std::vector<double> magnitude = reference(d, A, B);
  for (size_t i = 0; i < expected.size(); ++i) {
    const int64_t m = static_cast<int64_t>(i) / d.N * stride, n = static_cast<int64_t>(i) % d.N;
    oracle.expect(&d.C[static_cast<size_t>(m * d.N + n)], expected[i],
                  static_cast<double>(d.K) * epsilon * magnitude[i]);
  }
}

// B is packed beforehand, as a layer's weights are.
auto packed_run(const std::shared_ptr<Data>& d, const GemmKernel<float>& row) {
  return [d, run = row.run, packed = pack(row, d->B, d->K, d->N)](int64_t begin, int64_t end) {
    run(product(*d, d->A.data(), packed.data(), d->C.data(), begin, end));
  };
}

// What a compiled plan calls: B packed beforehand, split over the pool.
auto packed_pool_run(const std::shared_ptr<Data>& d, const GemmKernel<float>& row) {
  return [d, row, packed = pack(row, d->B, d->K, d->N)](int64_t, int64_t) {
    multiply_packed(row, product(*d, d->A.data(), packed.data(), d->C.data(), 0, d->M));
  };
}

// B is packed in every run, as a product of two activations needs it.
auto packing_run(const std::shared_ptr<Data>& d, const GemmKernel<float>& row) {
  return [d, row, packed = pack(row, d->B, d->K, d->N)](int64_t begin, int64_t end) mutable {
    row.pack_b(d->B.data(), d->N, 1, d->K, d->N, packed.data());
    row.run(product(*d, d->A.data(), packed.data(), d->C.data(), begin, end));
  };
}

// What linear and matmul call: packs B, and splits itself over the pool.
auto engine_run(const std::shared_ptr<Data>& d, Precision precision) {
  return [d, precision](int64_t, int64_t) {
    const PrecisionScope scope(precision);
    MatrixProduct<float> p;
    p.M = d->M, p.N = d->N, p.K = d->K;
    p.A = d->A.data(), p.a_row_stride = d->K, p.a_k_stride = 1;
    p.B = d->B.data(), p.b_k_stride = d->N, p.b_n_stride = 1;
    p.C = d->C.data(), p.c_row_stride = d->N;
    p.precision = product_precision();
    multiply(p);
  };
}

auto eigen_run(const std::shared_ptr<Data>& d, EigenGemm* eigen_gemm) {
  return [d, eigen_gemm](int64_t begin, int64_t end) {
    eigen_gemm(end - begin, d->N, d->K, d->A.data() + begin * d->K, d->B.data(),
               d->C.data() + begin * d->N);
  };
}

KernelCase gemm(const Table& table, int64_t M, int64_t K, int64_t N) {
  const auto d = make_data(M, K, N);
  const double m = static_cast<double>(M), k = static_cast<double>(K), n = static_cast<double>(N);
  const double weight = table.precision ? 4 : 2;  // bytes
  KernelCase out = {
      {2 * m * k * n, 4 * (m * k + m * n) + weight * k * n, m * n}, M, row_grain(M, K, N), {}, {}};
  out.arithmetic = table.arithmetic();
  expect_rows(out.oracle, *d, table);
  out.contenders = contenders(table.rows, [&](const auto& row) { return packed_run(d, row); });
  const auto& best = best_row(table.rows);
  out.contenders.push_back(
      {isa_name(best.isa), best.isa, packed_pool_run(d, best), Contender::Kind::pool});
  if (!table.precision) return out;
  out.contenders.push_back({std::string(isa_name(best.isa)) + " + pack", best.isa,
                            packing_run(d, best), Contender::Kind::whole});
  out.contenders.push_back(
      {"engine", best.isa, engine_run(d, *table.precision), Contender::Kind::pool});
  const std::vector<KernelRow<EigenGemm>> eigen = {ESPALIER_ISA_ROWS(eigen_gemm)};
  for (const auto& row : eigen)
    if (isa_allowed(row.isa) && *table.precision == Precision::f32)
      out.contenders.push_back({std::string("Eigen ") + isa_name(row.isa), row.isa,
                                eigen_run(d, row.run), Contender::Kind::baseline});
  return out;
}

}  // namespace

void add_gemm_cases(Cases& cases) {
  const Table tables[] = {
      {"gemm_f32/", gemm_kernels<float>(), DType::f32, DType::f32, Precision::f32},
      {"gemm_bf16/", gemm_bf16_kernels(), DType::bf16, DType::bf16, Precision::bf16},
      {"gemm_half_bf16/", gemm_half_bf16_kernels(), DType::bf16, DType::bf16, {}},
      {"gemm_half_f16/", gemm_half_f16_kernels(), DType::f32, DType::f16, {}}};
  constexpr struct {
    int64_t M, K, N;
  } shapes[] = {{49, 128, 128},    {49, 384, 128},    {49, 512, 128},   {49, 128, 512},
                {12544, 512, 128}, {50, 128, 384},    {50, 128, 448},   {50, 448, 128},
                {12800, 128, 384}, {12800, 128, 448}, {12800, 448, 128}};
  for (const Table& table : tables)
    for (const auto& s : shapes) {
      const std::string name =
          table.name + std::to_string(s.M) + "x" + std::to_string(s.K) + "x" + std::to_string(s.N);
      cases.push_back({name, [table, s] { return gemm(table, s.M, s.K, s.N); }});
    }
}

}  // namespace espalier::bench
