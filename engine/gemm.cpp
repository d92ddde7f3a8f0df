#include "engine/gemm.h"

#include <algorithm>

#include "engine/cuda/build.h"
#include "engine/cuda/cublas.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/panels.h"
#include "engine/parallel.h"
#include "engine/storage.h"
#include "kernels/gemm_mma/gemm_mma.h"

namespace espalier {
namespace {

// K is multiplied in equal slices of at most this, so that a packed slice stays in cache.
constexpr int64_t longest_slice = 512;
// Multiply-adds that make one piece worth handing to a thread: some 40 microseconds.
constexpr int64_t piece_size = 1 << 21;
// Rows of a piece are a multiple of this, so that register tiles divide them evenly on every ISA.
constexpr int64_t row_step = 12;
constexpr int64_t most_pieces = 64;

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Calls f(begin, end) for equal slices of [0, K); once, with an empty slice, when K is 0.
template <class F>
void for_each_slice(int64_t K, F f) {
  const int64_t slices = std::max<int64_t>(1, divide_up(K, longest_slice));
  for (int64_t i = 0; i < slices; ++i) f(i * K / slices, (i + 1) * K / slices);
}

template <class T>
const GemmKernel<T>& gemm_row([[maybe_unused]] Precision precision) {
  if constexpr (std::is_same_v<T, float>)
    if (precision == Precision::bf16) return kernel(bf16_kernels().gemm);
  return kernel(gemm_kernels<T>());
}

template <class T>
std::shared_ptr<Storage> scratch_for(const MatrixProduct<T>& p) {
  const int64_t count = gemm_row<T>(p.precision).packed_size(std::min(p.K, longest_slice), p.N);
  return Storage::allocate(static_cast<size_t>(count) * sizeof(T));
}

template <class T>
T* values(const std::shared_ptr<Storage>& scratch) {
  return reinterpret_cast<T*>(scratch->data());
}

// The part of `p` that multiplies k in [begin, end), over the packed slice of B.
template <class T>
Gemm<T> slice_of(const MatrixProduct<T>& p, int64_t begin, int64_t end, const T* packed) {
  Gemm<T> g;
  g.M = p.M, g.N = p.N, g.K = end - begin;
  g.A = p.A + begin * p.a_k_stride;
  g.a_row_stride = p.a_row_stride, g.a_k_stride = p.a_k_stride;
  g.packed_b = packed;
  g.C = p.C, g.c_row_stride = p.c_row_stride;
  g.bias = begin == 0 ? p.bias : nullptr;
  g.accumulate = p.accumulate || begin > 0;
  return g;
}

template <class T>
void multiply_here(const MatrixProduct<T>& p, T* packed) {
  const auto& best = gemm_row<T>(p.precision);
  for_each_slice(p.K, [&](int64_t begin, int64_t end) {
    best.pack_b(p.B + begin * p.b_k_stride, p.b_k_stride, p.b_n_stride, end - begin, p.N, packed);
    best.run(slice_of(p, begin, end, packed));
  });
}

template <class T>
void pack_on_pool(const MatrixProduct<T>& p, int64_t begin, int64_t end, T* packed) {
  const auto& best = gemm_row<T>(p.precision);
  const int64_t K = end - begin, panel = best.panel;
  const T* B = p.B + begin * p.b_k_stride;
  parallel_for(gemm_panel_count(best.panel, p.N), grain_for(K * panel),
               [&](int64_t first, int64_t last) {
                 best.pack_b(B + first * panel * p.b_n_stride, p.b_k_stride, p.b_n_stride, K,
                             std::min(last * panel, p.N) - first * panel,
                             packed + best.packed_size(K, first * panel));
               });
}

// Pieces are blocks of rows, or of panels where the rows are too few.
template <class T>
void run_on_pool(const GemmKernel<T>& best, const Gemm<T>& g) {
  if (threads_here() == 1) return best.run(g);
  const int64_t row_cost = std::max<int64_t>(1, g.N * g.K);
  const int64_t wanted = std::max(piece_size / row_cost, divide_up(g.M, most_pieces));
  const int64_t rows = divide_up(std::max<int64_t>(wanted, 1), row_step) * row_step;
  if (g.M > rows) {
    parallel_for(g.M, rows,
                 [&](int64_t begin, int64_t end) { best.run(gemm_rows(g, begin, end)); });
    return;
  }
  const int64_t panel_cost = std::max<int64_t>(1, g.M * g.K * best.panel);
  parallel_for(gemm_panel_count(best.panel, g.N), std::max<int64_t>(1, piece_size / panel_cost),
               [&](int64_t begin, int64_t end) { best.run(gemm_panels(g, best, begin, end)); });
}

template <class T>
void multiply_on_pool(const MatrixProduct<T>& p, T* packed) {
  for_each_slice(p.K, [&](int64_t begin, int64_t end) {
    pack_on_pool(p, begin, end, packed);
    run_on_pool(gemm_row<T>(p.precision), slice_of(p, begin, end, packed));
  });
}

// `p` at element `index` of the batch, counted in row-major order.
template <class T>
MatrixProduct<T> at(MatrixProduct<T> p, const ProductBatch& batch, int64_t index) {
  for (int d = batch.sizes.rank() - 1; d >= 0; --d) {
    const int64_t i = index % batch.sizes[d];
    index /= batch.sizes[d];
    p.A += i * batch.a[d];
    p.B += i * batch.b[d];
    p.C += i * batch.c[d];
  }
  return p;
}

// Calls f for every term of a sum, the later ones accumulating.
template <class T, class F>
void for_each_term(const MatrixProduct<T>& sum, const ProductBatch& terms, F f) {
  for (int64_t i = 0, count = terms.sizes.numel(); i < count; ++i) {
    MatrixProduct<T> term = at(sum, terms, i);
    term.accumulate = sum.accumulate || i > 0;
    if (i > 0) term.bias = nullptr;
    f(term);
  }
}

ProductBatch without_last(const ProductBatch& b) {
  const auto drop = [](const Shape& s) { return Shape(s.begin(), s.end() - 1); };
  return {drop(b.sizes), drop(b.a), drop(b.b), drop(b.c)};
}

// Products of one B whose rows follow each other are one product with more rows; terms whose k
// follow each other are one product with a longer K.
template <class T>
void fold(MatrixProduct<T>& p, ProductBatch& batch, ProductBatch& terms) {
  if (terms.sizes.numel() == 0) p.K = 0, terms = {};
  for (int d; (d = batch.sizes.rank() - 1) >= 0; batch = without_last(batch)) {
    const bool follows =
        batch.b[d] == 0 && batch.a[d] == p.M * p.a_row_stride && batch.c[d] == p.M * p.c_row_stride;
    if (batch.sizes[d] != 1 && !follows) break;
    p.M *= batch.sizes[d];
  }
  for (int d; (d = terms.sizes.rank() - 1) >= 0; terms = without_last(terms)) {
    const bool follows = terms.a[d] == p.K * p.a_k_stride && terms.b[d] == p.K * p.b_k_stride;
    if (terms.sizes[d] != 1 && !follows) break;
    p.K *= terms.sizes[d];
  }
}

[[maybe_unused]] cuda::GemmRepeats repeats_of(const ProductBatch& batch) {
  cuda::GemmRepeats repeats;
  repeats.rank = batch.sizes.rank();
  for (int d = 0; d < repeats.rank; ++d)
    repeats.dimensions[d] = {batch.sizes[d], batch.a[d], batch.b[d], batch.c[d]};
  return repeats;
}

// What the operands of a product in floats are rounded to.
[[maybe_unused]] DType taken_as(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return DType::f32;
    case Precision::bf16:
      return DType::bf16;
    case Precision::f16:
      return DType::f16;
  }
  return DType::f32;
}

template <class T>
void multiply_on_gpu(const MatrixProduct<T>& p, const ProductBatch& batch,
                     const ProductBatch& terms) {
  cuda::GemmBatch<T> g;
  g.M = p.M, g.N = p.N, g.K = p.K;
  g.A = p.A, g.a_row_stride = p.a_row_stride, g.a_k_stride = p.a_k_stride;
  g.B = p.B, g.b_k_stride = p.b_k_stride, g.b_n_stride = p.b_n_stride;
  g.C = p.C, g.c_row_stride = p.c_row_stride;
  g.bias = p.bias;
  g.accumulate = p.accumulate;
  g.products = repeats_of(batch), g.terms = repeats_of(terms);
  if constexpr (std::is_same_v<T, float>) {
    if (gpu_gemm() == GpuGemm::cublas && cuda::cublas_multiply(g, taken_as(p.precision))) return;
    if (p.precision == Precision::bf16) return cuda::gemm_mma_rounding<BFloat16>(g);
    if (p.precision == Precision::f16) return cuda::gemm_mma_rounding<Float16>(g);
  }
  cuda::gemm_run_batch<T>(g);
}

}  // namespace

template <class T>
void multiply(MatrixProduct<T> product, ProductBatch batch, ProductBatch terms) {
  fold(product, batch, terms);
  if (product.M == 0 || product.N == 0 || batch.sizes.numel() == 0) return;
  if constexpr (built_with_cuda)
    if (on_cuda()) return multiply_on_gpu(product, batch, terms);
  const int64_t count = batch.sizes.numel();
  const int64_t cost =
      std::max<int64_t>(1, product.M * product.N * product.K * terms.sizes.numel());
  const auto each_term = [&](int64_t i, auto&& run) {
    for_each_term(at(product, batch, i), terms, run);
  };
  if (cost >= 2 * piece_size) {
    const auto packed = scratch_for(product);
    for (int64_t i = 0; i < count; ++i)
      each_term(i, [&](const auto& term) { multiply_on_pool(term, values<T>(packed)); });
    return;
  }
  parallel_for(count, std::max<int64_t>(1, piece_size / cost), [&](int64_t begin, int64_t end) {
    const auto packed = scratch_for(product);
    for (int64_t i = begin; i < end; ++i)
      each_term(i, [&](const auto& term) { multiply_here(term, values<T>(packed)); });
  });
}

template <class T>
void add_rows(const T* x, int64_t rows, int64_t width, T* sum, bool accumulate) {
  if constexpr (built_with_cuda)
    if (on_cuda()) return cuda::gemm_add_rows(x, rows, width, sum, accumulate);
  if (!accumulate) std::fill_n(sum, width, T(0));
  for (int64_t r = 0; r < rows; ++r, x += width)
    for (int64_t n = 0; n < width; ++n) sum[n] += x[n];
}

template <class T>
void multiply_packed(const GemmKernel<T>& row, const Gemm<T>& g) {
  constexpr int64_t many_rows = 1024;  // enough that pieces of them stream A once
  if (g.M >= many_rows) return run_on_pool(row, g);
  // By value: another core fetches the product with the function, not after it.
  parallel_product(
      g.M, gemm_panel_count(row.panel, g.N), g.M * g.N * g.K,
      [row, g](int64_t begin, int64_t end) { row.run(gemm_rows(g, begin, end)); },
      [row, g](int64_t begin, int64_t end) { row.run(gemm_panels(g, row, begin, end)); });
}

template void multiply_packed(const GemmKernel<float>&, const Gemm<float>&);
template void add_rows(const float*, int64_t, int64_t, float*, bool);
template void add_rows(const double*, int64_t, int64_t, double*, bool);
template void multiply(MatrixProduct<float>, ProductBatch, ProductBatch);
template void multiply(MatrixProduct<double>, ProductBatch, ProductBatch);

}  // namespace espalier
