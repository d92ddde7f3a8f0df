// Where a compiled model's time goes, step by step, against this machine's measured ceilings.
#pragma once

#include <string>
#include <vector>

#include "bench/hardware.h"
#include "bench/model_form.h"
#include "bench/roofline.h"
#include "engine/plan.h"
#include "engine/profiler.h"
#include "nn/vit.h"

namespace espalier::bench {

struct StepProfile {
  Plan::StepInfo info;
  int64_t calls = 0;
  double seconds = 0;           // of all calls, on all threads together
  double median = 0;            // of the runs' seconds, which a disturbed run does not move
  double flops = 0, bytes = 0;  // operations, of whatever arithmetic
  // The operations a second that the roofline of the step's arithmetic allows these threads at its
  // intensity, the share of it that the step reached, and what the roof is made of: "f32", "int8",
  // "L2", "memory".
  double roof = 0, reached = 0;
  std::string bound;
};

struct ModelProfile {
  std::string model, dtype;
  int64_t batch = 0, chunk = 0, runs = 0;
  int threads = 0;
  int workers = 0;          // threads that each took whole chunks; 1 where they shared each step
  double wall_seconds = 0;  // of the profiled runs
  double overhead = 0;  // the profiled runs' time over that of as many without the profiler, - 1
  Plan::Memory memory{};
  HardwareProfile hardware;
  std::vector<StepProfile> steps;
  std::vector<profiler::Event> events;  // of one run
  // What processor_events() counted on the calling thread in the runs without the profiler; empty
  // where the machine has no counters, for the reason given.
  std::vector<double> counters;
  std::string counters_absent;

  double step_seconds() const;  // of all steps
};

// Runs the plan of `form`, a model of `config`, on random images for about `seconds`, with and
// without the profiler in turn. Sets the pool to `threads` and leaves it so. Judges by `hardware`,
// which is measured where there is none.
ModelProfile profile_model(const ViTConfig& config, const ModelForm& form, int64_t batch,
                           int threads, double seconds, const HardwareProfile* hardware = nullptr);

// What to expect of the same steps on another machine, if each reached as much of its roof there:
// the seconds are scaled by the roofs. An argument error where no peak was measured there on so
// many threads.
ModelProfile expected_on(ModelProfile profile, const HardwareProfile& hardware);

std::string profile_table(const ModelProfile& profile);
std::string profile_json(const ModelProfile& profile);
// A trace in the Trace Event Format ("complete" events), which Perfetto and Chrome open.
std::string trace_json(const ModelProfile& profile);
Chart profile_roofline(const ModelProfile& profile);

}  // namespace espalier::bench
