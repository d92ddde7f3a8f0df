// Scaled dot-product attention of one head (Vaswani et al., 2017, equation 1) whose products take
// bf16 and sum in fp32. Softmax between them is in fp32.
//
//   l[i, j]   = scale log2(e) sum_d bf16(q[i, d]) bf16(k[j, d])
//   e[i, j]   = exp2(l[i, j] - max_j l[i, j])
//   out[i, d] = sum_j bf16(e[i, j]) bf16(v[j, d]) / sum_j e[i, j]
//
//   p[i, j]   = e[i, j] / sum_j e[i, j]
//   dp[i, j]  = sum_d bf16(dout[i, d]) bf16(v[j, d])
//   ds[i, j]  = scale p[i, j] (dp[i, j] - sum_j p[i, j] dp[i, j])
//   dv[j, d]  = sum_i bf16(p[i, j]) bf16(dout[i, d])
//   dk[j, d]  = sum_i bf16(ds[i, j]) bf16(q[i, d]),  dq[i, d] = sum_j bf16(ds[i, j]) bf16(k[j, d])
//
// bf16() rounds to nearest even. The contract is that of kernels/attention, which also says what
// `stats` holds and what NaN and infinity give. Backward takes the statistics of a forward of the
// same row. Denormals may count as 0, and bits may differ from row to row of the table.
#pragma once

#include "kernels/attention/attention.h"

namespace espalier {

// Floats of scratch that any row of the tables may write.
int64_t attention_bf16_scratch(int64_t tokens, int64_t head_dim) noexcept;
int64_t attention_bf16_backward_scratch(int64_t tokens, int64_t head_dim) noexcept;

// Rows of the tables, best first, the two for the same instruction sets. Those without one are
// served better by the fp32 row.
std::span<const KernelRow<AttentionForward<float>>> attention_bf16_kernels() noexcept;
std::span<const KernelRow<AttentionBackward<float>>> attention_bf16_backward_kernels() noexcept;

ESPALIER_IF_AVX512BF16(namespace avx512bf16 {
  AttentionForward<float> attention_bf16_run;
  AttentionBackward<float> attention_bf16_backward;
})

}  // namespace espalier
