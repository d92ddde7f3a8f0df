#include "kernels/attention_bf16/attention_bf16.h"

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
         float* out, float* /*stats*/, float* scratch) noexcept {
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
  }
}

constexpr int64_t group = 64;  // queries that the SIMD row takes at a time, on rows padded to 16
int64_t padded(int64_t count) noexcept { return (count + 15) / 16 * 16; }

}  // namespace

int64_t attention_bf16_scratch(int64_t tokens, int64_t head_dim) noexcept {
  const int64_t words = (head_dim + 1) / 2, token_pairs = (tokens + 1) / 2;
  return group * (2 * words + tokens) + tokens * words + (token_pairs + tokens) * padded(head_dim);
}

std::span<const KernelRow<AttentionForward<float>>> attention_bf16_kernels() noexcept {
  static constexpr KernelRow<AttentionForward<float>> rows[] = {ESPALIER_IF_AVX512BF16(
      {Isa::avx512bf16, avx512bf16::attention_bf16_run}, ){Isa::scalar, run}};
  return rows;
}

}  // namespace espalier
