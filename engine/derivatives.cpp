#include "engine/derivatives.h"

#include "engine/filled_table.h"

namespace espalier {

ESPALIER_FILLED_TABLE(Derivatives, derivatives)

Derivative Derivatives::of(const Op& op) const {
  if (op.derivative) return op.derivative;
  if (const Derivative found = find(op)) return found;
  throw std::logic_error(std::string(op.name) + " saved something, but has no derivative");
}

}  // namespace espalier
