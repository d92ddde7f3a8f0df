#include "engine/precision.h"

namespace espalier {
namespace {

thread_local Precision current = Precision::f32;

}  // namespace

Precision product_precision() noexcept { return current; }

PrecisionScope::PrecisionScope(Precision precision) noexcept : before_(current) {
  current = precision;
}
PrecisionScope::~PrecisionScope() { current = before_; }

}  // namespace espalier
