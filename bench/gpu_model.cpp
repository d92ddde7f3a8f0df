#include "bench/gpu_model.h"

#include <cmath>
#include <cstdio>

#include "bench/model_timing.h"
#include "bench/table.h"
#include "bench/training_step.h"
#include "engine/device_scope.h"
#include "engine/gpu_plan.h"
#include "nn/predictor.h"
#include "nn/trainer.h"

namespace espalier::bench {
namespace {

// What is timed: one way at one precision.
struct Candidate {
  GpuModelTiming timing;
  std::function<void()> run;
};

// Times those that are right in turns. Ours is followed by cuBLAS's of the same precision, where
// there is that.
void time_in_turns(const GpuFacts& facts, std::vector<Candidate>& candidates,
                   const MeasureOptions& options) {
  std::vector<std::function<void()>> runs;
  std::vector<Candidate*> right;
  for (Candidate& candidate : candidates)
    if (candidate.timing.verified()) {
      runs.push_back(candidate.run);
      right.push_back(&candidate);
    }
  const std::vector<Timing> timings = measure_on_gpu(facts, runs, options);
  for (size_t i = 0; i < timings.size(); ++i) {
    right[i]->timing.seconds = summarise(timings[i].wall);
    if (i > 0 && right[i - 1]->timing.precision == right[i]->timing.precision)
      right[i - 1]->timing.versus_library = paired_ratio(timings[i].wall, timings[i - 1].wall);
  }
}

std::vector<GpuModelTiming> timings_of(const std::vector<Candidate>& candidates) {
  std::vector<GpuModelTiming> out;
  for (const Candidate& candidate : candidates) out.push_back(candidate.timing);
  return out;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::isfinite(b[i]) ? std::max(largest, std::abs(a[i] - b[i])) : HUGE_VAL;
  return largest;
}

struct Batch {
  Tensor images, labels;
};

Batch random_batch(const ViTConfig& model, int64_t size) {
  Generator generator(1);
  Batch batch{normal(model.batch_shape(size), generator), Tensor::empty({size}, DType::s64)};
  for (int64_t i = 0; i < size; ++i)
    batch.labels.data<int64_t>()[i] = generator.below(model.classes);
  return batch;
}

// A model of its own that steps on `device`.
class Steps {
 public:
  Steps(const TrainConfig& config, const Batch& batch, Device device)
      : model_(moved(initial_model(config.model, config.seed), device)),
        step_(*model_, config, batch.images.to(device), batch.labels.to(device)),
        device_(device) {}

  double run() {
    const DeviceScope there(device_);
    return step_.run();
  }
  std::vector<double> first_losses() {
    std::vector<double> losses;
    for (int i = 0; i < checked_steps; ++i) losses.push_back(run());
    return losses;
  }
  int64_t weights() const { return model_->parameter_count(); }

  static constexpr int checked_steps = 3;

 private:
  static std::unique_ptr<VisionTransformer> moved(std::unique_ptr<VisionTransformer> model,
                                                  Device device) {
    model->to(device);
    return model;
  }

  std::unique_ptr<VisionTransformer> model_;
  TrainingStep step_;
  Device device_;
};

// As a plan's of the CPU with weights in bf16, which rounds in as many products as a GPU does. f16
// keeps three more bits of an operand.
double tolerance_in(Precision precision, const ViTConfig& config, const Graph& graph,
                    const std::vector<double>& logits) {
  const double exact = tolerance_of(config, {graph, DType::f32}, logits);
  if (precision == Precision::f32) return exact;
  const double bf16 = tolerance_of(config, {graph, DType::bf16}, logits);
  return precision == Precision::bf16 ? bf16 : exact + (bf16 - exact) / 8;
}

// A loss is off as logits are. A weight whose gradient is smaller than its error may go the other
// way, 2 lr off: the loss moves by lr times as many such gradients as there are weights, whose norm
// is clipped (scripts/side_by_side/agreement.py).
double loss_tolerance(const TrainConfig& config, double loss, int step, int64_t weights) {
  const double moved = 2 * step * TrainingStep::optimizer.lr *
                       std::sqrt(static_cast<double>(weights)) * TrainingStep::clip_norm;
  return tolerance_in(precision_of(config), config.model, {}, {loss + moved});
}

}  // namespace

std::vector<GpuModelTiming> measure_model_on_gpu(const GpuFacts& facts, const ViTConfig& config,
                                                 const Graph& graph,
                                                 const std::vector<Precision>& precisions,
                                                 int64_t batch, bool launch_graph,
                                                 const MeasureOptions& options) {
  const Tensor images = random_batch(config, batch).images;
  const std::vector<double> expected = Predictor(graph, {}, Device::cpu())(images).to_vector();
  const Tensor logits = Tensor::empty({batch, config.classes});
  std::vector<std::unique_ptr<GpuPlan>> plans;
  std::vector<Candidate> candidates;
  for (const Precision precision : precisions)
    for (const GemmChoice& choice : gemm_choices(facts)) {
      plans.push_back(std::make_unique<GpuPlan>(
          graph, facts.device,
          GpuPlanOptions{.precision = precision, .launch_graph = launch_graph}));
      GpuPlan& plan = *plans.back();
      candidates.push_back({{choice.name, precision_name(precision), batch}, [&, choice] {
                              run_with_gemm(choice.gemm, facts.device,
                                            [&] { plan.run(images, logits); });
                            }});
      GpuModelTiming& timing = candidates.back().timing;
      candidates.back().run();  // the next one runs as those that are timed
      logits.fill_(std::nan(""));
      candidates.back().run();
      timing.launch_graph = plan.launches() > 0;
      timing.difference = largest_difference(expected, logits.to_vector());
      timing.tolerance = tolerance_in(precision, config, graph, expected);
    }
  time_in_turns(facts, candidates, options);
  return timings_of(candidates);
}

std::vector<GpuModelTiming> measure_step_on_gpu(const GpuFacts& facts, const TrainConfig& config,
                                                const MeasureOptions& options) {
  const Batch batch = random_batch(config.model, config.batch_size);
  const std::vector<double> expected = Steps(config, batch, Device::cpu()).first_losses();
  std::vector<std::unique_ptr<Steps>> steps;
  std::vector<Candidate> candidates;
  for (const GemmChoice& choice : gemm_choices(facts)) {
    steps.push_back(std::make_unique<Steps>(config, batch, facts.device));
    Steps& own = *steps.back();
    candidates.push_back(
        {{choice.name, config.precision, config.batch_size},
         [&own, &facts, choice] { run_with_gemm(choice.gemm, facts.device, [&] { own.run(); }); }});
    std::vector<double> losses;
    run_with_gemm(choice.gemm, facts.device, [&] { losses = own.first_losses(); });
    // The step that uses up most of what it may.
    GpuModelTiming& timing = candidates.back().timing;
    timing.tolerance = 1;
    for (int i = 0; i < Steps::checked_steps; ++i) {
      const auto at = static_cast<size_t>(i);
      const double bound = loss_tolerance(config, expected[at], i, own.weights());
      const double off = std::isfinite(losses[at]) ? std::abs(losses[at] - expected[at]) : HUGE_VAL;
      if (off / bound >= timing.difference / timing.tolerance)
        timing.difference = off, timing.tolerance = bound;
    }
  }
  time_in_turns(facts, candidates, options);
  return timings_of(candidates);
}

std::string gpu_model_heading() {
  return table_heading({{"by", -7},
                        {"products", -9},
                        {"batch", 6},
                        {"time (ms)", 11},
                        {"spread", 7},
                        {"images/s", 10},
                        {"library", 8},
                        {"of bound", 11}});
}

std::string gpu_model_line(const GpuModelTiming& t) {
  char line[200], time[64] = "          -       -          -";
  if (t.seconds)
    std::snprintf(time, sizeof time, "%11.3f %6.1f%% %10.0f", 1e3 * t.seconds->median,
                  100 * t.seconds->spread(), static_cast<double>(t.batch) / t.seconds->median);
  char versus[16] = "-";
  if (t.versus_library > 0) std::snprintf(versus, sizeof versus, "%.2fx", t.versus_library);
  std::snprintf(line, sizeof line, "%-7s %-9s %6lld %s %8s %11.3f\n", t.way.c_str(),
                t.precision.c_str(), static_cast<long long>(t.batch), time, versus,
                t.difference / t.tolerance);
  return line;
}

}  // namespace espalier::bench
