// Scaled dot-product attention of one head (Vaswani et al., 2017, equation 1) whose two products
// take bf16 and sum in fp32. Softmax between them is in fp32.
//
//   l[i, j]   = scale log2(e) sum_d bf16(q[i, d]) bf16(k[j, d])
//   e[i, j]   = exp2(l[i, j] - max_j l[i, j])
//   out[i, d] = sum_j bf16(e[i, j]) bf16(v[j, d]) / sum_j e[i, j]
//
// bf16() rounds to nearest even. The contract is that of forward in kernels/attention, which also
// says what NaN and infinity give, but that `stats` is not written: backward would not meet these
// probabilities again. Denormals may count as 0, and bits may differ from row to row of the table.
#pragma once

#include "kernels/attention/attention.h"

namespace espalier {

// Floats of scratch that any row of the table may write.
int64_t attention_bf16_scratch(int64_t tokens, int64_t head_dim) noexcept;

// Rows of the table, best first. Instruction sets without one are served better by the fp32 row.
std::span<const KernelRow<AttentionForward<float>>> attention_bf16_kernels() noexcept;

ESPALIER_IF_AVX512BF16(namespace avx512bf16 { AttentionForward<float> attention_bf16_run; })

}  // namespace espalier
