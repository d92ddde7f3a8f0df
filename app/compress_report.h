// What a compression came to, measured on the file that it wrote.
#pragma once

#include "compress/benchmark_models.h"
#include "compress/compress_config.h"
#include "compress/fidelity.h"
#include "nn/model_file.h"

namespace espalier::app {

struct CompressOutcome {
  ModelMetrics before, after;
  Fidelity logits;
  double seconds = 0;  // that compressing took
};

// Batches 1 and 256, and that of the budget; none without `timed_seconds`.
BenchmarkOptions benchmark_options(const CompressConfig& config, double timed_seconds);

// Measures both files on the test images in `data_folder`. Without `timed_seconds`, for each of two
// batch sizes, no speed.
CompressOutcome measure_compressed(const CompressConfig& config, const std::string& data_folder,
                                   double timed_seconds);
// One JSON object, or lines for a person, on standard output.
void print_compressed(const CompressConfig& config, const CompressOutcome& outcome, bool json);

// What coarse weights cost in each layer alone, the most sensitive one first.
void print_sensitivity(const CompressConfig& config, const LoadedModel& model,
                       const ImageDataset& images, bool json);

}  // namespace espalier::app
