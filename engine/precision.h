// In which precision matrix products multiply: PyTorch's autocast, for linear, matmul, conv2d and
// attention.
#pragma once

#include <cstdint>
#include <string>

#include "engine/tensor.h"

namespace espalier {

// bf16: both operands of every product are rounded to bf16 (8 significant bits, the range of fp32)
// and multiplied with fp32 sums, forward and backward. All that lies in memory stays fp32: weights,
// activations, gradients; and so does every other operation, and attention where the processor has
// no instruction that multiplies bf16, or on a GPU.
// f16: the same with f16 (11 significant bits, 6e-8 to 65504), on a GPU alone. Gradients want a
// loss scale there, so that they lie in that range (nn/optim/loss_scale.h).
enum class Precision : uint8_t { f32, bf16, f16 };

// "f32", "bf16", "f16". The way back is an argument error of `function` for any other name.
const char* precision_name(Precision precision) noexcept;
Precision precision_named(const char* function, const std::string& name);

// That of this thread; f32 until a PrecisionScope says otherwise. An operation asks once, in its
// forward pass, and its derivative multiplies in the same precision wherever it runs.
Precision product_precision() noexcept;
// The same for `op`'s products of `x`. An argument error where that is f16 and x floats on the CPU.
Precision product_precision(const char* op, const Tensor& x);

// While one lives, products on this thread run in `precision`. Double tensors are not concerned.
class PrecisionScope {
 public:
  explicit PrecisionScope(Precision precision) noexcept;
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  Precision before_;
};

}  // namespace espalier
