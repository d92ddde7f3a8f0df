// Models side by side: what each costs and what it is worth, all of it measured on the file that it
// comes from.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/energy.h"
#include "bench/measure.h"
#include "nn/evaluate.h"

namespace espalier {

struct ModelMetrics {
  std::string label;        // what reports and pictures call it: the file's name without its ending
  std::string path, dtype;  // dtype as LoadedModel has it
  std::map<std::string, std::string> metadata;  // of the file: how it was made
  int64_t file_bytes = 0;
  int64_t parameters = 0, flops = 0;  // flops of one image
  // The share of its weights that is 0; none of a model in codes.
  std::optional<double> zero_weights{};
  int64_t memory_bytes = 0;    // that the plan takes, packed weights included
  Tensor logits;               // of every test image, by a plan like the timed one
  Evaluation evaluation;       // of these
  std::vector<uint8_t> right;  // 1 for each of these images that is put into its class
  struct Speed {
    int64_t batch = 0;
    bench::Summary seconds;                    // a batch
    double times_as_fast = 0;                  // as the first model, from rounds that both ran in
    std::optional<double> joules_per_image{};  // where the machine counts them
    double images_per_second() const { return static_cast<double>(batch) / seconds.median; }
  };
  std::vector<Speed> speeds;  // one a batch size that was asked for
  std::string energy_absent;  // why there are no joules; empty where there are
};

struct BenchmarkOptions {
  std::vector<int64_t> batches = {1, 256};
  int threads = 0;  // 0: num_threads()
  bench::MeasureOptions measure{};
  std::string energy_folder = bench::powercap_folder;  // of bench::EnergyCounter
  double energy_seconds = 1;                           // a model and batch size, where it counts
};

// Runs each model over `test` first, and then times all of them in turns on its first images. Where
// the machine counts energy, each then runs alone for a while, since counters tick slowly.
// File errors of load_model(); argument errors: no path, no images, a batch below 1, images that do
// not fit.
std::vector<ModelMetrics> benchmark_models(std::span<const std::string> paths,
                                           const ImageDataset& test,
                                           const BenchmarkOptions& options = {});

}  // namespace espalier
