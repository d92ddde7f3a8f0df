#include "engine/precision.h"

#include <atomic>
#include <stdexcept>

#include "engine/gemm.h"

namespace espalier {
namespace {

thread_local Precision current = Precision::f32;
std::atomic<const Bf16Kernels*> linked{nullptr};

}  // namespace

Precision product_precision() noexcept { return current; }

PrecisionScope::PrecisionScope(Precision precision) noexcept : before_(current) {
  static const Bf16Kernels kernels{gemm_bf16_kernels()};
  linked.store(&kernels, std::memory_order_release);
  current = precision;
}
PrecisionScope::~PrecisionScope() { current = before_; }

const Bf16Kernels& bf16_kernels() {
  const Bf16Kernels* kernels = linked.load(std::memory_order_acquire);
  if (!kernels) throw std::logic_error("bf16 before any PrecisionScope");
  return *kernels;
}

}  // namespace espalier
