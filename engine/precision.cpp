#include "engine/precision.h"

#include <atomic>
#include <stdexcept>

#include "engine/gemm.h"

namespace espalier {
namespace {

constexpr const char* names[] = {"f32", "bf16", "f16"};

thread_local Precision multiplied_in = Precision::f32;
std::atomic<const Bf16Kernels*> linked{nullptr};

}  // namespace

const char* precision_name(Precision precision) noexcept {
  return names[static_cast<size_t>(precision)];
}

Precision precision_named(const char* function, const std::string& name) {
  for (const Precision each : {Precision::f32, Precision::bf16, Precision::f16})
    if (name == precision_name(each)) return each;
  argument_error(function, "precision", "'" + name + "'", "'f32', 'bf16' or 'f16'", "");
}

Precision product_precision() noexcept { return multiplied_in; }

Precision product_precision(const char* op, const Tensor& x) {
  if (multiplied_in == Precision::f16 && x.dtype() == DType::f32 && !x.device().on_gpu())
    argument_error(op, "precision", "f16 on the CPU", "f32 or bf16",
                   "products in f16 run on a GPU alone; move the operands there with to(Device)");
  return multiplied_in;
}

PrecisionScope::PrecisionScope(Precision precision) noexcept : before_(multiplied_in) {
  static const Bf16Kernels kernels{gemm_bf16_kernels()};
  linked.store(&kernels, std::memory_order_release);
  multiplied_in = precision;
}
PrecisionScope::~PrecisionScope() { multiplied_in = before_; }

const Bf16Kernels& bf16_kernels() {
  const Bf16Kernels* kernels = linked.load(std::memory_order_acquire);
  if (!kernels) throw std::logic_error("bf16 before any PrecisionScope");
  return *kernels;
}

}  // namespace espalier
