// The learning rate of each step: a linear warm-up, then constant or a half cosine down
// (Loshchilov & Hutter, "SGDR", ICLR 2017, arXiv 1608.03983, without restarts).
#pragma once

#include <cstdint>

namespace espalier {

class LrSchedule {
 public:
  // `peak` from the end of the warm-up on. Throws an argument error unless peak >= 0 and
  // warmup_steps >= 0.
  static LrSchedule constant(double peak, int64_t warmup_steps = 0);
  // Down to `floor` at total_steps, and there from then on. Throws an argument error unless
  // 0 <= floor <= peak and 0 <= warmup_steps < total_steps.
  static LrSchedule cosine(double peak, int64_t warmup_steps, int64_t total_steps,
                           double floor = 0);

  // The rate of step `step`, counted from 0: optimizer.set_lr(schedule.at(steps_done())). In the
  // warm-up it is peak (step + 1) / warmup_steps, so that no step is wasted at rate 0.
  double at(int64_t step) const noexcept;

 private:
  LrSchedule(double peak, double floor, int64_t warmup_steps, int64_t total_steps) noexcept
      : peak_(peak), floor_(floor), warmup_steps_(warmup_steps), total_steps_(total_steps) {}

  double peak_, floor_;
  int64_t warmup_steps_, total_steps_;  // total 0: constant after the warm-up
};

}  // namespace espalier
