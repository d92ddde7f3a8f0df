#include "bench/model_profile.h"

#include <algorithm>
#include <chrono>

#include "bench/counters.h"
#include "bench/measure.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/parallel.h"

namespace espalier::bench {
namespace {

double seconds_of(Plan& plan, const Tensor& images, const Tensor& logits) {
  const auto start = std::chrono::steady_clock::now();
  plan.run(images, logits);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Adds one profiled run to the steps, and the seconds that it took of each to `runs`.
void add_run(const std::vector<profiler::Event>& events, ModelProfile& profile,
             std::vector<std::vector<double>>& runs) {
  for (std::vector<double>& of_step : runs) of_step.push_back(0);
  for (const profiler::Event& event : events) {
    if (event.step < 0) continue;
    StepProfile& step = profile.steps[static_cast<size_t>(event.step)];
    step.calls += 1;
    const double seconds = 1e-9 * static_cast<double>(event.duration);
    step.seconds += seconds;
    runs[static_cast<size_t>(event.step)].back() += seconds;
  }
}

// The rate of the smallest level that holds `bytes` a thread; memory's where none does.
const CopyRate* level_for(const HardwareProfile& hardware, int threads, double bytes) {
  std::string level = "memory";
  for (auto cache = hardware.caches.rbegin(); cache != hardware.caches.rend(); ++cache)
    if (bytes <= static_cast<double>(cache->bytes)) level = "L" + std::to_string(cache->level);
  const CopyRate* last = nullptr;
  for (const CopyRate& copy : hardware.copies)
    if (copy.threads == threads) {
      last = &copy;
      if (copy.level == level) return last;
    }
  return last;
}

void judge(ModelProfile& profile) {
  const HardwareProfile& hardware = profile.hardware;
  const auto chunks = static_cast<double>(profile.batch) / static_cast<double>(profile.chunk);
  for (StepProfile& step : profile.steps) {
    const NodeCost whole = step.info.cost(profile.batch), none = step.info.cost(0);
    const auto runs = static_cast<double>(profile.runs);
    step.flops = runs * static_cast<double>(whole.flops);
    // What does not grow with the batch, the weights, is read for each chunk again.
    step.bytes = runs * static_cast<double>(whole.bytes() - none.bytes()) +
                 static_cast<double>(step.calls * none.bytes());
    const DType arithmetic = step.info.arithmetic;
    const PeakRate* peak = best_peak(hardware, arithmetic, profile.threads);
    if (!peak || step.bytes <= 0 || step.seconds <= 0) continue;
    const CopyRate* copy = level_for(hardware, profile.threads, step.bytes / runs / chunks);
    const double by_memory = copy ? step.flops / step.bytes * copy->gigabytes : peak->gops;
    step.bound = by_memory < peak->gops ? copy->level : arithmetic_name(arithmetic);
    step.roof = 1e9 * std::min(by_memory, peak->gops);
    const double busy = step.seconds / profile.workers;
    // Steps that compute nothing are held against the bytes they move.
    step.reached = step.flops > 0 ? step.flops / busy / step.roof
                   : copy         ? step.bytes / busy / (1e9 * copy->gigabytes)
                                  : 0;
  }
}

}  // namespace

double ModelProfile::step_seconds() const {
  double sum = 0;
  for (const StepProfile& step : steps) sum += step.seconds;
  return sum;
}

ModelProfile profile_model(const ViTConfig& config, const ModelForm& form, int64_t batch,
                           int threads, double seconds, const HardwareProfile* hardware) {
  const NoGradGuard off;
  set_num_threads(threads);
  Plan plan = compile(form.graph, {.threads = threads, .weights = form.weights});
  ModelProfile profile;
  profile.model = config.name;
  profile.dtype = form.dtype();
  profile.batch = batch;
  profile.chunk = std::min(plan.chunk(), batch);
  profile.threads = threads;
  profile.workers = batch < plan.threads() ? 1 : plan.threads();
  profile.memory = plan.memory();
  profile.hardware = hardware ? *hardware : measure_hardware_within(2 * seconds);
  for (const Plan::StepInfo& info : plan.steps()) {
    profile.steps.emplace_back();
    profile.steps.back().info = info;
  }
  Generator generator(1);
  const Tensor images = normal(config.batch_shape(batch), generator);
  const Tensor logits = plan(images);
  std::vector<double> with, without;
  std::vector<std::vector<double>> runs(profile.steps.size());
  Counters counters(processor_events());
  profile.counters_absent = counters.absent();
  for (double spent = 0; spent < seconds || profile.runs < 3; ++profile.runs) {
    counters.start();
    without.push_back(seconds_of(plan, images, logits));
    counters.stop(profile.counters);
    profiler::start();
    with.push_back(seconds_of(plan, images, logits));
    profile.events = profiler::stop();
    add_run(profile.events, profile, runs);
    profile.wall_seconds += with.back();
    spent += with.back() + without.back();
  }
  for (size_t i = 0; i < runs.size(); ++i) profile.steps[i].median = summarise(runs[i]).median;
  profile.overhead = paired_ratio(with, without) - 1;
  judge(profile);
  return profile;
}

ModelProfile expected_on(ModelProfile profile, const HardwareProfile& hardware) {
  if (!best_peak(hardware, DType::f32, profile.threads))
    argument_error("expected_on", "hardware",
                   "no f32 peak of " + std::to_string(profile.threads) + " threads", "one",
                   "run with as many threads as it was measured on");
  std::vector<double> roofs;
  for (const StepProfile& step : profile.steps) roofs.push_back(step.roof);
  profile.hardware = hardware;
  judge(profile);
  for (size_t i = 0; i < roofs.size(); ++i) {
    StepProfile& step = profile.steps[i];
    if (roofs[i] <= 0 || step.roof <= 0) continue;
    step.seconds *= roofs[i] / step.roof;
    step.median *= roofs[i] / step.roof;
    step.reached *= step.roof / roofs[i];
  }
  return profile;
}

Chart profile_roofline(const ModelProfile& profile) {
  std::vector<RooflinePoint> points;
  for (const StepProfile& step : profile.steps)
    if (step.flops > 0 && step.seconds > 0)
      points.push_back({step.info.operation, step.info.arithmetic, step.flops / step.bytes,
                        1e-9 * step.flops / (step.seconds / profile.workers)});
  return roofline(profile.hardware, profile.threads, points);
}

}  // namespace espalier::bench
