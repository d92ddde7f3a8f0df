// What lies between the two products, as the scalar row and a GPU compute it.
#pragma once

#include "kernels/attention_s8/attention_s8.h"
#include "kernels/round_within.h"

namespace espalier {

// The weight of a score that lies `below` the row's largest.
ESPALIER_ANYWHERE inline int32_t attention_s8_weight_of(int32_t below, float score_scale) noexcept {
  return attention_s8_weight(
      round_within(static_cast<float>(below) * score_scale, 0.0f, attention_s8_last));
}

// What a row's sums of values are multiplied by, whose weights are `total`.
ESPALIER_ANYWHERE inline float attention_s8_out_scale(const AttentionS8& s,
                                                      int32_t total) noexcept {
  return s.multiplier / static_cast<float>(total);
}

}  // namespace espalier
