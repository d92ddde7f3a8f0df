// Metrics of models that never ran, for what tables, pictures and reports make of them.
#pragma once

#include <algorithm>
#include <string>

#include "compress/benchmark_models.h"

namespace espalier::test {

// Answers that are right for the first `correct` of `samples` images, and timings that vary by
// `spread` about `seconds` for one image and as many for a batch of 256.
inline ModelMetrics made_up(const std::string& label, int64_t file_bytes, double seconds,
                            int64_t correct, double spread = 0.01, int64_t samples = 2000) {
  ModelMetrics m;
  m.label = label;
  m.path = "folder/" + label + ".safetensors";
  m.dtype = "f32";
  m.file_bytes = file_bytes;
  m.memory_bytes = 2 * file_bytes;
  m.parameters = file_bytes / 4;
  m.flops = 1'000'000;
  m.evaluation.samples = samples;
  m.evaluation.correct = correct;
  m.right.assign(static_cast<size_t>(samples), 0);
  std::fill_n(m.right.begin(), correct, uint8_t{1});
  for (int64_t batch : {1, 256}) {
    const double median = seconds * static_cast<double>(batch);
    const double low = median * (1 - spread), high = median * (1 + spread);
    m.speeds.push_back({.batch = batch,
                        .seconds = {low, low, median, high},
                        .times_as_fast = 1e-3 / seconds});  // as one of a millisecond an image
  }
  m.energy_absent = "this machine offers no energy counter";
  return m;
}

}  // namespace espalier::test
