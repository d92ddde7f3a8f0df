#include "engine/precision.h"

#include "engine/dispatch.h"
#include "engine/parallel.h"
#include "kernels/gemm_bf16/gemm_bf16.h"

namespace espalier {
namespace {

thread_local Precision current = Precision::f32;

}  // namespace

Precision product_precision() noexcept { return current; }

PrecisionScope::PrecisionScope(Precision precision) noexcept : before_(current) {
  current = precision;
}
PrecisionScope::~PrecisionScope() { current = before_; }

Tensor rounded_to(const Tensor& x, Precision precision) {
  if (precision == Precision::f32 || x.dtype() != DType::f32) return x;
  const Tensor y = Tensor::empty(x.shape());
  const auto& best = kernel(round_to_bf16_kernels());
  parallel_for(x.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(x.data<float>() + begin, y.data<float>() + begin, end - begin);
  });
  return y;
}

}  // namespace espalier
