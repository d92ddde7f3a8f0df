#pragma once

#include "engine/tensor.h"

namespace espalier {

// A weight [out, in] in codes: groups of `group` inputs that follow each other share a scale in
// each output channel, and the last group may be shorter.
struct CodedWeight {
  // s8 [out, in]: 8 bits. u8 [out, (in + 1) / 2]: 4 bits, the code of an even input plus 8 in the
  // low half of a byte and that of the next input, likewise, in its high half; `group` is then even
  // or holds all inputs.
  Tensor codes;
  Tensor scales;  // f32 [out, groups], finite and positive; on a GPU nobody checks that
  int64_t group = 0;

  int bits() const { return codes.dtype() == DType::s8 ? 8 : 4; }
};

// y = x W^T + bias, where W = code * scale, rounded to f32 once: x f32 [..., in] -> f32 [..., out],
// bias f32 [out] or undefined. The products and sums are those of linear() on W, which exists a
// slice at a time. Not differentiable.
Tensor linear_wq(const Tensor& x, const CodedWeight& weight, const Tensor& bias = {});

// Argument errors in `op`'s name, which takes the same operands.
void check_coded_layer(const char* op, const Tensor& x, const CodedWeight& weight,
                       const Tensor& bias);

}  // namespace espalier
