#include "engine/cuda/cublas.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "engine/cuda/cublas_session.h"
#include "engine/cuda/runtime.h"
#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/launch_graph.h"
#include "engine/tensor.h"
#include "kernels/cast/cast.h"
#include "kernels/copy/copy.h"

namespace espalier {
namespace {

std::atomic<GpuGemm> chosen{GpuGemm::own};

}  // namespace

void set_gpu_gemm(GpuGemm which, Device device) {
  if (which == GpuGemm::cublas) cuda::cublas_session(device);
  chosen.store(which, std::memory_order_relaxed);
}
GpuGemm gpu_gemm() noexcept { return chosen.load(std::memory_order_relaxed); }

namespace cuda {
namespace {

using Dimension = GemmRepeats::Dimension;

// How BLAS is to read a matrix.
struct Columns {
  cublas_abi::Operation operation;
  int64_t ld;  // from one column in memory to the next
};

// A matrix at these strides as one of columns in memory, or of its transpose's.
std::optional<Columns> in_columns(int64_t rows, int64_t columns, int64_t row_stride,
                                  int64_t column_stride) {
  if (rows == 1 || row_stride == 1) {
    const int64_t ld = columns == 1 ? rows : column_stride;
    if (ld >= rows) return Columns{cublas_abi::as_is, ld};
  }
  if (columns == 1 || column_stride == 1) {
    const int64_t ld = rows == 1 ? columns : row_stride;
    if (ld >= columns) return Columns{cublas_abi::transposed, ld};
  }
  return std::nullopt;
}

// Rows in memory are the columns of the transpose: C = A B is asked for as C^T = B^T A^T, and what
// BLAS calls A is our B.
struct Layouts {
  Columns b, a;
  int64_t ldc;
};

std::optional<Layouts> layouts_of(const GemmBatch<float>& g) {
  const auto b = in_columns(g.N, g.K, g.b_n_stride, g.b_k_stride);
  const auto a = in_columns(g.K, g.M, g.a_k_stride, g.a_row_stride);
  const int64_t ldc = g.M == 1 ? g.N : g.c_row_stride;
  if (!b || !a || ldc < g.N || g.K == 0 || (g.bias && g.accumulate)) return std::nullopt;
  return Layouts{*b, *a, ldc};
}

int64_t count_of(const GemmRepeats& repeats, int dimensions) {
  int64_t count = 1;
  for (int d = 0; d < dimensions; ++d) count *= repeats.dimensions[d].count;
  return count;
}

// Where element `index` of the first `dimensions` of repeats starts, in row-major order.
Dimension steps_to(const GemmRepeats& repeats, int dimensions, int64_t index) {
  Dimension at = {};
  for (int d = dimensions - 1; d >= 0; --d) {
    const Dimension& dimension = repeats.dimensions[d];
    const int64_t i = index % dimension.count;
    index /= dimension.count;
    at.a += i * dimension.a, at.b += i * dimension.b, at.c += i * dimension.c;
  }
  return at;
}

// Every row of each C becomes the bias, to which products are added then.
void start_from_bias(const GemmBatch<float>& g) {
  const auto& copy_row = kernel(copy_kernels<sizeof(float)>());
  const int dimensions = g.products.rank;
  for (int64_t i = 0, count = count_of(g.products, dimensions); i < count; ++i)
    copy_row.run(g.bias, {0, 1}, g.C + steps_to(g.products, dimensions, i).c, {g.c_row_stride, 1},
                 g.M, g.N);
}

// One call a term for all products along the last dimension, and for each of the others.
template <class Element>
void multiply_each(const GemmBatch<float>& g, const Layouts& l, const Element* A, const Element* B,
                   cublas_abi::DataType type) {
  CublasSession& session = cublas_session(current_device());
  const std::lock_guard lock(session.mutex);
  use_device(session.device.index);
  const int outer = std::max(0, g.products.rank - 1);
  const Dimension inner =
      g.products.rank > 0 ? g.products.dimensions[outer] : Dimension{1, 0, 0, 0};
  const int64_t products = count_of(g.products, outer), terms = count_of(g.terms, g.terms.rank);
  for (int64_t i = 0; i < products; ++i) {
    const Dimension at = steps_to(g.products, outer, i);
    for (int64_t t = 0; t < terms; ++t) {
      const Dimension term = steps_to(g.terms, g.terms.rank, t);
      const float alpha = 1, beta = g.accumulate || g.bias || t > 0 ? 1.0f : 0.0f;
      session.library.check(std::string(current_operation()) + " of [" + std::to_string(g.M) +
                                ", " + std::to_string(g.K) + "] by [" + std::to_string(g.K) + ", " +
                                std::to_string(g.N) + "]",
                            session.library.cublasGemmStridedBatchedEx_64(
                                session.handle, l.b.operation, l.a.operation, g.N, g.M, g.K, &alpha,
                                B + at.b + term.b, type, l.b.ld, inner.b, A + at.a + term.a, type,
                                l.a.ld, inner.a, &beta, g.C + at.c, cublas_abi::f32, l.ldc, inner.c,
                                inner.count, cublas_abi::sums_f32, cublas_abi::default_algorithm));
    }
  }
}

// From the first to the last element of an operand that its products read.
struct Reach {
  int64_t first = 0, last = 0;

  void along(int64_t count, int64_t step) { (step < 0 ? first : last) += (count - 1) * step; }
  void along(const GemmRepeats& repeats, int64_t Dimension::*step) {
    for (int d = 0; d < repeats.rank; ++d)
      along(repeats.dimensions[d].count, repeats.dimensions[d].*step);
  }
};

// The elements of an operand rounded to Half, as far apart as they lie.
template <class Half>
struct Rounded {
  Tensor memory;
  const Half* operand;

  Rounded(const float* from, const Reach& reach, DType dtype)
      : memory(Tensor::empty({reach.last - reach.first + 1}, dtype, current_device())),
        operand(memory.data<Half>() - reach.first) {
    kernel(cast_kernels<float, Half>())
        .run(from + reach.first, memory.data<Half>(), memory.numel());
  }
};

template <class Half>
void multiply_rounded(const GemmBatch<float>& g, const Layouts& l, DType dtype,
                      cublas_abi::DataType type) {
  Reach a, b;
  a.along(g.M, g.a_row_stride), a.along(g.K, g.a_k_stride);
  b.along(g.N, g.b_n_stride), b.along(g.K, g.b_k_stride);
  for (const GemmRepeats* repeats : {&g.products, &g.terms})
    a.along(*repeats, &Dimension::a), b.along(*repeats, &Dimension::b);
  const Rounded<Half> left(g.A, a, dtype), right(g.B, b, dtype);
  multiply_each(g, l, left.operand, right.operand, type);
}

}  // namespace

bool cublas_multiply(const GemmBatch<float>& g, DType taken) {
  if (records_launches())
    throw Error(ErrorKind::device, std::string(current_operation()) +
                                       ": a product by cuBLAS while launches are recorded; "
                                       "multiply by our own kernels there (--gemm own)");
  const std::optional<Layouts> layouts = layouts_of(g);
  if (!layouts) return false;
  if (g.bias) start_from_bias(g);
  if (taken == DType::bf16)
    multiply_rounded<BFloat16>(g, *layouts, taken, cublas_abi::bf16);
  else if (taken == DType::f16)
    multiply_rounded<Float16>(g, *layouts, taken, cublas_abi::f16);
  else
    multiply_each(g, *layouts, g.A, g.B, cublas_abi::f32);
  return true;
}

}  // namespace cuda
}  // namespace espalier
