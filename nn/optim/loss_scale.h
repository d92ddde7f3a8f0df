// Dynamic loss scaling, for gradients that pass through f16, whose least normal number is 2^-14
// (Micikevicius et al., ICLR 2018, arXiv 1710.03740, section 3.2), with the constants of PyTorch's
// GradScaler: the loss counts 2^16 times; twice as often after 2000 steps in a row whose gradients
// were finite; half as often after one of which a gradient was not, and that step is skipped.
//
// A power of two throughout, so that a gradient which f16 holds with it is the same without it.
#pragma once

#include <cstdint>

namespace espalier {

struct LossScale {
  static constexpr double growth = 2, backoff = 0.5;
  static constexpr int64_t growth_steps = 2000;
  // Gradients that overflow still, 30 halvings below the start, do so for another reason.
  static constexpr double least = 0x1p-14;
  static constexpr double most = 0x1p126;  // a float, and its double too

  double value = 0x1p16;
  int64_t finite_steps = 0;  // in a row, since the value changed
  int64_t skipped_steps = 0;

  // Takes note of a step, whose gradients were all finite or not.
  void update(bool finite) noexcept {
    if (!finite) {
      value *= backoff;
      finite_steps = 0;
      ++skipped_steps;
    } else if (++finite_steps == growth_steps) {
      if (value < most) value *= growth;
      finite_steps = 0;
    }
  }
  bool exhausted() const noexcept { return value < least; }
};

}  // namespace espalier
