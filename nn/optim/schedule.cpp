#include "nn/optim/schedule.h"

#include <cmath>
#include <string>

#include "engine/error.h"

namespace espalier {
namespace {

void check(bool holds, const char* name, double value, const char* expected) {
  if (!holds) argument_error("LrSchedule", name, std::to_string(value), expected, "");
}

}  // namespace

LrSchedule LrSchedule::constant(double peak, int64_t warmup_steps) {
  check(peak >= 0 && std::isfinite(peak), "peak", peak, "a finite number >= 0");
  check(warmup_steps >= 0, "warmup_steps", static_cast<double>(warmup_steps), ">= 0");
  return LrSchedule(peak, peak, warmup_steps, 0);
}

LrSchedule LrSchedule::cosine(double peak, int64_t warmup_steps, int64_t total_steps,
                              double floor) {
  check(peak >= 0 && std::isfinite(peak), "peak", peak, "a finite number >= 0");
  check(floor >= 0 && floor <= peak, "floor", floor, "from 0 to peak");
  check(warmup_steps >= 0 && warmup_steps < total_steps, "warmup_steps",
        static_cast<double>(warmup_steps), "from 0 to below total_steps");
  return LrSchedule(peak, floor, warmup_steps, total_steps);
}

double LrSchedule::at(int64_t step) const noexcept {
  if (step < warmup_steps_)
    return peak_ * static_cast<double>(step + 1) / static_cast<double>(warmup_steps_);
  if (total_steps_ == 0) return peak_;
  if (step >= total_steps_) return floor_;
  const double progress =
      static_cast<double>(step - warmup_steps_) / static_cast<double>(total_steps_ - warmup_steps_);
  return floor_ + (peak_ - floor_) * 0.5 * (1 + std::cos(3.14159265358979323846 * progress));
}

}  // namespace espalier
