// Models side by side: what each costs and what it is worth, all of it measured on the file that it
// comes from.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "nn/evaluate.h"

namespace espalier {

struct ModelMetrics {
  std::string path, dtype;  // dtype as LoadedModel has it
  int64_t file_bytes = 0;
  int64_t parameters = 0, flops = 0;  // flops of one image
  int64_t memory_bytes = 0;           // that the plan takes, packed weights included
  Tensor logits;                      // of every test image, by a plan like the timed one
  Evaluation evaluation;              // of these
  struct Speed {
    int64_t batch = 0;
    bench::Summary seconds;    // a batch
    double times_as_fast = 0;  // as the first model, from rounds that both ran in
    double images_per_second() const { return static_cast<double>(batch) / seconds.median; }
  };
  std::vector<Speed> speeds;  // one a batch size that was asked for
};

struct BenchmarkOptions {
  std::vector<int64_t> batches = {1, 256};
  int threads = 0;  // 0: num_threads()
  bench::MeasureOptions measure{};
};

// Runs each model over `test` first, and then times all of them in turns on its first images.
// File errors of load_model(); argument errors: no path, no images, a batch below 1, images that do
// not fit.
std::vector<ModelMetrics> benchmark_models(std::span<const std::string> paths,
                                           const ImageDataset& test,
                                           const BenchmarkOptions& options = {});

}  // namespace espalier
