// What a compression came to, measured on the file that it wrote.
#pragma once

#include "compress/compress_config.h"
#include "compress/fidelity.h"
#include "nn/data/dataset.h"
#include "nn/evaluate.h"
#include "nn/model_file.h"

namespace espalier::app {

struct CompressOutcome {
  Evaluation before, after;
  Fidelity logits;
  int64_t bytes_before = 0, bytes_after = 0;
  int64_t parameters_before = 0, parameters_after = 0;
  int64_t flops_before = 0, flops_after = 0;  // of one image
  double seconds = 0;                         // that compressing took
};

// Runs both models over the test images in `data_folder`.
CompressOutcome measure_compressed(const CompressConfig& config, const LoadedModel& before,
                                   const std::string& data_folder);
// One JSON object, or lines for a person, on standard output.
void print_compressed(const CompressConfig& config, const CompressOutcome& outcome, bool json);

// What coarse weights cost in each layer alone, the most sensitive one first.
void print_sensitivity(const CompressConfig& config, const LoadedModel& model,
                       const ImageDataset& images, bool json);

}  // namespace espalier::app
