// From one trained model to the best one for a target and a budget, by measuring: what each part
// costs in each form and width on this machine, what a search over both finds, what the models that
// it proposes then are worth.
#pragma once

#include <functional>
#include <memory>

#include "compress/auto_optimizer/choice.h"
#include "compress/auto_optimizer/search.h"
#include "compress/benchmark_models.h"
#include "compress/pruning/prune.h"
#include "compress/quantize_model.h"

namespace espalier {

struct OptimizeOptions {
  std::string target = "balanced";  // or "speed", "size", "accuracy"
  Budget budget{};
  // Shares of the parameters to prune, tried beside 0 and those of the presets and rules of thumb,
  // as far as the model is wide enough.
  std::vector<double> levels = {0.85, 0.93, 0.97};
  size_t points = 12;                    // of the search's front that are made and measured
  int64_t batch = 1;                     // that latency is of
  std::vector<int64_t> batches() const;  // that models are timed at: it, and 256
  int threads = 0;                       // 0: num_threads()
  uint64_t seed = 1;
  PruneOptions pruning{};  // its fraction is set for each level
  QuantizeOptions quantization{};
  bench::MeasureOptions measure{};
  double profile_seconds = 0.2;                  // for each form of each level
  std::optional<bench::HardwareProfile> here{};  // this machine; measured where absent
  // Where the model will run, if not here: what is chosen is chosen by what is expected there.
  std::optional<bench::HardwareProfile> machine{};
};

struct OptimizeData {
  // Training images: of those that are trained on, and others, which judge.
  ImageDataset calibration, validation;
};

// What the caller does for the optimiser.
struct OptimizeHooks {
  // Trains what pruning has left at a level; null where that was interrupted. Without it models
  // stay as pruning leaves them.
  std::function<std::unique_ptr<VisionTransformer>(const VisionTransformer& pruned,
                                                   double sparsity)>
      recover{};
  std::function<void(const std::string& line)> tell{};  // progress
};

// A candidate, made and measured.
struct OptimizedModel {
  Candidate candidate;
  std::vector<std::string> roles;  // "before", "rule of thumb for speed", "preset edge", "search"
  double expected_seconds = 0;     // a batch of the options'; 0 for the model before
  ModelMetrics metrics{};          // on the validation images; its path says where it lies
  // What judges: measured, but the seconds expected on another machine where one was given.
  MeasuredPoint judged{};
  bool on_front = false;
  std::string name() const;
};

// Why a part has the form that it has.
struct PartChoice {
  std::string part;  // "the rest" for what has no form in whole numbers
  PartForm form = PartForm::f32;
  std::array<double, form_count> expected{};  // seconds in each form
  double measured = 0;                        // seconds in the chosen one
  std::string kernel, bound;                  // of its longest step, as measured
  std::string reason;
};

struct Optimization {
  std::vector<OptimizedModel> models;  // the model before first
  size_t rule = 0;                     // what the rule of thumb for the target makes
  std::optional<size_t> chosen;        // none: the budget cannot be met
  size_t nearest = 0;                  // to the budget
  std::vector<PartChoice> why;         // of the chosen one
  bench::HardwareProfile here;
  std::vector<Candidate> front;  // all that the search expected to be worth it
  CostTable table;

  // Of the models, those that no other one is both as fast and as accurate as: the fastest first.
  std::vector<size_t> measured_front() const;
};

class AutoOptimizer {
 public:
  // `path` is of an fp32 model, which stays as it is. Argument errors: options out of range.
  AutoOptimizer(std::string path, OptimizeOptions options, OptimizeData data,
                OptimizeHooks hooks = {});

  // Makes models in `folder`. None where the hook was interrupted. Argument errors, before anything
  // is made: a model that has no form in whole numbers, or is too narrow for the target's rule of
  // thumb; a machine without peaks for so many threads.
  std::optional<Optimization> optimize_model(const std::string& folder) const;

 private:
  const std::string path_;
  const OptimizeOptions options_;
  const OptimizeData data_;
  const OptimizeHooks hooks_;
};

// The why report as text in Markdown, and everything as JSON.
std::string why_report(const Optimization& result, const OptimizeOptions& options);
std::string optimization_json(const Optimization& result, const OptimizeOptions& options);

}  // namespace espalier
