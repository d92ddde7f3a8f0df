#include "engine/derivatives.h"

#include "engine/operations.h"  // made by meson.build from its list of operations

namespace espalier {

#define ESPALIER_DECLARE(name) void name##_derivatives(Derivatives&);
ESPALIER_EACH_OPERATION(ESPALIER_DECLARE)

Derivative Derivatives::of(const Op& op) const {
  if (op.derivative) return op.derivative;
  const auto found = of_op_.find(&op);
  if (found == of_op_.end())
    throw std::logic_error(std::string(op.name) + " saved something, but has no derivative");
  return found->second;
}

const Derivatives& derivatives() {
  static const Derivatives all = [] {
    Derivatives made;
#define ESPALIER_ADD(name) name##_derivatives(made);
    ESPALIER_EACH_OPERATION(ESPALIER_ADD)
    return made;
  }();
  return all;
}

}  // namespace espalier
