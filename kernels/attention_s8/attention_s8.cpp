#include "kernels/attention_s8/attention_s8_scalar.h"

#include <algorithm>

namespace espalier {
namespace {

// One row of weights, in `p`; returns their sum.
int32_t weigh(const AttentionS8& s, const int8_t* q, const int8_t* k, int32_t* p) {
  for (int64_t j = 0; j < s.tokens; ++j) {
    p[j] = 0;
    for (int64_t d = 0; d < s.head_dim; ++d) p[j] += q[d] * k[j * s.row_stride + d];
  }
  const int32_t largest = *std::max_element(p, p + s.tokens);
  int32_t sum = 0;
  for (int64_t j = 0; j < s.tokens; ++j) {
    p[j] = attention_s8_weight_of(largest - p[j], s.score_scale);
    sum += p[j];
  }
  return sum;
}

void attention_s8_scalar(const AttentionS8& s, const int8_t* q, const int8_t* k, const int8_t* v,
                         int8_t* out, std::byte* scratch) noexcept {
  int32_t* p = reinterpret_cast<int32_t*>(scratch);
  for (int64_t i = 0; i < s.queries; ++i) {
    const int32_t total = weigh(s, q + i * s.row_stride, k, p);
    const float scale = attention_s8_out_scale(s, total);
    for (int64_t d = 0; d < s.head_dim; ++d) {
      int32_t sum = 0;
      for (int64_t j = 0; j < s.tokens; ++j) sum += p[j] * v[j * s.row_stride + d];
      out[i * s.out_stride + d] =
          static_cast<int8_t>(code_of(static_cast<float>(sum) * scale, s.zero_point));
    }
  }
}

#define ESPALIER_ATTENTION_S8_ROW(isa) {Isa::isa, isa::attention_s8},

constexpr int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

}  // namespace

// No row takes panels of more than 32 columns, blocks of more than 64 keys, groups of more than 4,
// tiles of more than 12 rows or elements of more than 2 bytes: packed keys and values, one tile of
// scores, its rows of q and of weights.
int64_t attention_s8_scratch(int64_t tokens, int64_t head_dim) noexcept {
  constexpr int64_t panel = 32, block = 64, group = 4, rows = 12, sums = 4, element = 2, line = 64;
  const int64_t T = round_up(tokens, block), D = round_up(head_dim, panel);
  const int64_t keys = T * element * round_up(head_dim, group);
  const int64_t values = D * (sums + element * T);
  return round_up(keys, line) + round_up(values, line) + rows * T * sums +
         rows * element * (T + D) + 4 * line;
}

std::span<const KernelRow<AttentionS8Run>> attention_s8_kernels() noexcept {
  static constexpr KernelRow<AttentionS8Run> rows[] = {ESPALIER_EACH_DOT_ISA(
      ESPALIER_ATTENTION_S8_ROW) ESPALIER_CUDA_ROW(attention_s8){Isa::scalar, attention_s8_scalar}};
  return rows;
}

}  // namespace espalier
