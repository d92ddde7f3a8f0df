#include "kernels/attention/attention.h"

#include <cmath>
#include <numbers>

namespace espalier {
namespace {

template <class T>
T dot(const T* a, const T* b, int64_t n) noexcept {
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// y += a x
template <class T>
void add_scaled(T* y, T a, const T* x, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

template <class T>
void attention_forward_scalar(const AttentionShape<T>& shape, const T* q, const T* k, const T* v,
                              T* out, T* stats, T* scratch) noexcept {
  const auto [tokens, head_dim, row_stride, out_stride, scale, queries] = shape;
  T* const e = scratch;
  for (int64_t i = 0; i < queries; ++i, q += row_stride, out += out_stride) {
    for (int64_t j = 0; j < tokens; ++j)
      e[j] = dot(q, k + j * row_stride, head_dim) * (scale * std::numbers::log2e_v<T>);
    T largest = e[0];
    for (int64_t j = 1; j < tokens; ++j)
      if (e[j] > largest || e[j] != e[j]) largest = e[j];
    T sum = 0;
    for (int64_t j = 0; j < tokens; ++j) sum += e[j] = std::exp2(e[j] - largest);
    for (int64_t d = 0; d < head_dim; ++d) out[d] = 0;
    for (int64_t j = 0; j < tokens; ++j) add_scaled(out, e[j], v + j * row_stride, head_dim);
    for (int64_t d = 0; d < head_dim; ++d) out[d] /= sum;
    if (stats) stats[i] = largest, stats[tokens + i] = 1 / sum;
  }
}

template <class T>
void attention_backward_scalar(const AttentionShape<T>& shape, const T* q, const T* k, const T* v,
                               const T* dout, const T* stats, T* dq, T* dk, T* dv,
                               T* scratch) noexcept {
  const auto [tokens, head_dim, row_stride, out_stride, scale, queries] = shape;
  T *const p = scratch, *const dp = scratch + tokens;
  for (int64_t j = 0; j < tokens; ++j)
    for (int64_t d = 0; d < head_dim; ++d) dk[j * row_stride + d] = dv[j * row_stride + d] = 0;
  for (int64_t i = queries; i < tokens; ++i)
    for (int64_t d = 0; d < head_dim; ++d) dq[i * row_stride + d] = 0;
  for (int64_t i = 0; i < queries; ++i, q += row_stride, dq += row_stride, dout += out_stride) {
    for (int64_t j = 0; j < tokens; ++j) {
      const T s = dot(q, k + j * row_stride, head_dim) * (scale * std::numbers::log2e_v<T>);
      p[j] = std::exp2(s - stats[i]) * stats[tokens + i];
      dp[j] = dot(dout, v + j * row_stride, head_dim);
    }
    const T delta = dot(p, dp, tokens);
    for (int64_t d = 0; d < head_dim; ++d) dq[d] = 0;
    for (int64_t j = 0; j < tokens; ++j) {
      const T ds = p[j] * (dp[j] - delta) * scale;
      add_scaled(dv + j * row_stride, p[j], dout, head_dim);
      add_scaled(dk + j * row_stride, ds, q, head_dim);
      add_scaled(dq, ds, k + j * row_stride, head_dim);
    }
  }
}

// What the SIMD rows use: blocks of at most 64 queries, rows of D padded to 16.
constexpr int64_t block = 64;
int64_t padded(int64_t head_dim) noexcept { return (head_dim + 15) / 16 * 16; }

}  // namespace

int64_t attention_forward_scratch(int64_t tokens, int64_t head_dim) noexcept {
  return block * (head_dim + tokens) + 2 * tokens * padded(head_dim);
}

int64_t attention_backward_scratch(int64_t tokens, int64_t head_dim) noexcept {
  return block * 2 * (head_dim + tokens + padded(head_dim)) + 4 * tokens * padded(head_dim);
}

template <>
std::span<const KernelRow<AttentionForward<float>>> attention_forward_kernels() noexcept {
  static constexpr KernelRow<AttentionForward<float>> rows[] = {
      ESPALIER_CUDA_ROW(attention_forward)
          ESPALIER_ISA_ROWS(attention_forward){Isa::scalar, attention_forward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<AttentionForward<double>>> attention_forward_kernels() noexcept {
  static constexpr KernelRow<AttentionForward<double>> rows[] = {
      ESPALIER_CUDA_ROW(attention_forward){Isa::scalar, attention_forward_scalar<double>}};
  return rows;
}

template <>
std::span<const KernelRow<AttentionBackward<float>>> attention_backward_kernels() noexcept {
  static constexpr KernelRow<AttentionBackward<float>> rows[] = {
      ESPALIER_CUDA_ROW(attention_backward)
          ESPALIER_ISA_ROWS(attention_backward){Isa::scalar, attention_backward_scalar<float>}};
  return rows;
}

template <>
std::span<const KernelRow<AttentionBackward<double>>> attention_backward_kernels() noexcept {
  static constexpr KernelRow<AttentionBackward<double>> rows[] = {
      ESPALIER_CUDA_ROW(attention_backward){Isa::scalar, attention_backward_scalar<double>}};
  return rows;
}

}  // namespace espalier
