#include "engine/precision.h"

#include <atomic>
#include <stdexcept>

#include "engine/dispatch.h"
#include "engine/gemm.h"
#include "engine/parallel.h"

namespace espalier {
namespace {

thread_local Precision current = Precision::f32;
std::atomic<const Bf16Kernels*> linked{nullptr};

}  // namespace

Precision product_precision() noexcept { return current; }

PrecisionScope::PrecisionScope(Precision precision) noexcept : before_(current) {
  static const Bf16Kernels kernels{gemm_bf16_kernels(), round_to_bf16_kernels()};
  linked.store(&kernels, std::memory_order_release);
  current = precision;
}
PrecisionScope::~PrecisionScope() { current = before_; }

const Bf16Kernels& bf16_kernels() {
  const Bf16Kernels* kernels = linked.load(std::memory_order_acquire);
  if (!kernels) throw std::logic_error("bf16 before any PrecisionScope");
  return *kernels;
}

Tensor rounded_to(const Tensor& x, Precision precision) {
  if (precision == Precision::f32 || x.dtype() != DType::f32) return x;
  const Tensor y = Tensor::empty(x.shape());
  const auto& best = kernel(bf16_kernels().round);
  parallel_for(x.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    best.run(x.data<float>() + begin, y.data<float>() + begin, end - begin);
  });
  return y;
}

}  // namespace espalier
