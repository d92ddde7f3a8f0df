#include "kernels/attention_bf16/attention_bf16.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/cast/cast.h"

namespace espalier {
namespace {

float rounded(float x) noexcept { return cast_detail::to_float(cast_detail::to_bfloat16(x)); }

float dot(const float* a, const float* b, int64_t n) noexcept {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += rounded(a[i]) * rounded(b[i]);
  return sum;
}

void run(const AttentionShape<float>& shape, const float* q, const float* k, const float* v,
         float* out, float* stats, float* scratch) noexcept {
  const auto [tokens, head_dim, row_stride, out_stride, scale, queries] = shape;
  float* const e = scratch;
  for (int64_t i = 0; i < queries; ++i, q += row_stride, out += out_stride) {
    for (int64_t j = 0; j < tokens; ++j)
      e[j] = dot(q, k + j * row_stride, head_dim) * (scale * std::numbers::log2e_v<float>);
    float largest = e[0], sum = 0;
    for (int64_t j = 1; j < tokens; ++j)
      if (e[j] > largest || e[j] != e[j]) largest = e[j];
    for (int64_t j = 0; j < tokens; ++j) sum += e[j] = std::exp2(e[j] - largest);
    for (int64_t d = 0; d < head_dim; ++d) out[d] = 0;
    for (int64_t j = 0; j < tokens; ++j)
      for (int64_t d = 0; d < head_dim; ++d)
        out[d] += rounded(e[j]) * rounded(v[j * row_stride + d]);
    for (int64_t d = 0; d < head_dim; ++d) out[d] /= sum;
    if (stats) stats[i] = largest, stats[tokens + i] = 1 / sum;
  }
}

// y += bf16(a) bf16(x)
void add_rounded(float* y, float a, const float* x, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] += rounded(a) * rounded(x[i]);
}

void backward(const AttentionShape<float>& shape, const float* q, const float* k, const float* v,
              const float* dout, const float* stats, float* dq, float* dk, float* dv,
              float* scratch) noexcept {
  const auto [tokens, head_dim, row_stride, out_stride, scale, queries] = shape;
  float *const p = scratch, *const dp = scratch + tokens;
  for (int64_t j = 0; j < tokens; ++j)
    for (float* const to : {dq, dk, dv}) std::fill_n(to + j * row_stride, head_dim, 0.0f);
  for (int64_t i = 0; i < queries; ++i, q += row_stride, dq += row_stride, dout += out_stride) {
    float delta = 0;
    for (int64_t j = 0; j < tokens; ++j) {
      const float l = dot(q, k + j * row_stride, head_dim) * (scale * std::numbers::log2e_v<float>);
      p[j] = std::exp2(l - stats[i]) * stats[tokens + i];
      dp[j] = dot(dout, v + j * row_stride, head_dim);
      delta += p[j] * dp[j];
    }
    for (int64_t j = 0; j < tokens; ++j) {
      const float ds = p[j] * (dp[j] - delta) * scale;
      add_rounded(dv + j * row_stride, p[j], dout, head_dim);
      add_rounded(dk + j * row_stride, ds, q, head_dim);
      add_rounded(dq, ds, k + j * row_stride, head_dim);
    }
  }
}

constexpr int64_t group = 64;  // queries that the SIMD rows take at a time, on rows padded to 16
int64_t padded(int64_t count) noexcept { return (count + 15) / 16 * 16; }

}  // namespace

int64_t attention_bf16_scratch(int64_t tokens, int64_t head_dim) noexcept {
  const int64_t words = (head_dim + 1) / 2, token_pairs = (tokens + 1) / 2;
  return group * (2 * words + tokens) + tokens * words + (token_pairs + tokens) * padded(head_dim);
}

int64_t attention_bf16_backward_scratch(int64_t tokens, int64_t head_dim) noexcept {
  const int64_t words = (head_dim + 1) / 2, token_pairs = (tokens + 1) / 2;
  return group * (3 * words + 2 * tokens + token_pairs) + 2 * tokens * words +
         (group + token_pairs + 3 * tokens) * padded(head_dim);
}

std::span<const KernelRow<AttentionForward<float>>> attention_bf16_kernels() noexcept {
  static constexpr KernelRow<AttentionForward<float>> rows[] = {ESPALIER_IF_AVX512BF16(
      {Isa::avx512bf16, avx512bf16::attention_bf16_run}, ){Isa::scalar, run}};
  return rows;
}

std::span<const KernelRow<AttentionBackward<float>>> attention_bf16_backward_kernels() noexcept {
  static constexpr KernelRow<AttentionBackward<float>> rows[] = {ESPALIER_IF_AVX512BF16(
      {Isa::avx512bf16, avx512bf16::attention_bf16_backward}, ){Isa::scalar, backward}};
  return rows;
}

}  // namespace espalier
