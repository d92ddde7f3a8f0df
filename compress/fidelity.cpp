#include "compress/fidelity.h"

#include <algorithm>
#include <cmath>

#include "engine/op.h"
#include "engine/ops/view.h"

namespace espalier {

Fidelity fidelity(const Tensor& logits, const Tensor& reference) {
  check_dtype("fidelity", "reference", reference, DType::f32);
  check_min_rank("fidelity", "reference", reference, 2);
  check_dtype("fidelity", "logits", logits, DType::f32);
  check_shape("fidelity", "logits", logits, reference.shape());
  const Tensor found = contiguous(logits), expected = contiguous(reference);
  const int64_t classes = expected.shape().back(), rows = expected.numel() / classes;
  Fidelity out;
  double signal = 0, noise = 0, same = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const float *a = found.data<float>() + r * classes, *b = expected.data<float>() + r * classes;
    for (int64_t c = 0; c < classes; ++c) {
      const double difference = static_cast<double>(a[c]) - static_cast<double>(b[c]);
      signal += static_cast<double>(b[c]) * static_cast<double>(b[c]);
      noise += difference * difference;
      out.largest_difference = std::max(out.largest_difference, std::abs(difference));
    }
    same += std::max_element(a, a + classes) - a == std::max_element(b, b + classes) - b;
  }
  out.signal_to_noise = 10 * std::log10(signal / noise);
  out.agreement = same / static_cast<double>(rows);
  return out;
}

}  // namespace espalier
