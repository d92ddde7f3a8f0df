#include "app/bench_gpu.h"

#include <cstdio>

#include "app/command.h"
#include "bench/gpu_kernels.h"
#include "bench/gpu_model.h"
#include "engine/error.h"
#include "engine/io/json.h"

namespace espalier::app {
namespace {

constexpr const char* wrong_result =
    "espalier: a result on the GPU disagrees with its reference and was not timed\n";

Json as_json(const bench::GpuModelTiming& t) {
  Json out = {{"way", t.way},
              {"precision", t.precision},
              {"batch", t.batch},
              {"verified", t.verified()},
              {"largest_difference", t.difference},
              {"tolerance", t.tolerance},
              {"launch_graph", t.launch_graph}};
  out["median_seconds"] = t.seconds ? Json(t.seconds->median) : Json();
  if (t.seconds) out["spread"] = t.seconds->spread();
  if (t.versus_library > 0) out["versus_library"] = t.versus_library;
  return out;
}

int report(const bench::GpuFacts& facts, const std::string& model,
           const std::vector<bench::GpuModelTiming>& timings, bool json) {
  bool wrong = false;
  Json results = Json::array();
  if (!json)
    std::printf("%s %s\n%s", model.c_str(), facts.heading().c_str(),
                bench::gpu_model_heading().c_str());
  for (const bench::GpuModelTiming& timing : timings) {
    wrong |= !timing.verified();
    results.push_back(as_json(timing));
    if (!json) std::printf("%s", bench::gpu_model_line(timing).c_str());
  }
  if (json)
    std::printf("%s\n",
                Json{{"context", Json::parse(facts.json())}, {"model", model}, {"results", results}}
                    .dump(2)
                    .c_str());
  if (wrong) std::fprintf(stderr, "%s", wrong_result);
  return wrong ? failure : done;
}

}  // namespace

int bench_kernels_on_gpu(const std::string& filter, bool list, Device device, bool json) {
  const bench::GpuFacts facts = bench::gpu_facts(device);
  if (list) {
    for (const bench::GpuCase& each : bench::gpu_cases(facts))
      if (each.name.find(filter) != std::string::npos) std::printf("%s\n", each.name.c_str());
    return done;
  }
  if (!json)
    std::printf("kernels %s\n%s", facts.heading().c_str(), bench::gpu_table_heading().c_str());
  std::vector<bench::GpuKernelResult> results;
  bool wrong = false;
  bench::run_gpu_benchmarks(facts, filter, {}, [&](const bench::GpuKernelResult& result) {
    wrong |= !result.verified();
    if (!json) std::printf("%s", bench::gpu_table_line(result).c_str());
    std::fflush(stdout);
    results.push_back(result);
  });
  if (results.empty())
    argument_error("bench kernels", "filter", "'" + filter + "'", "part of a case's name",
                   "see bench kernels --device cuda --list");
  if (json) std::printf("%s\n", bench::gpu_results_json(facts, results).c_str());
  if (wrong) std::fprintf(stderr, "%s", wrong_result);
  return wrong ? failure : done;
}

int bench_model_on_gpu(const LoadedModel& model, const std::vector<std::string>& dtypes,
                       const std::vector<int64_t>& batches, Device device, bool launch_graph,
                       double seconds, bool json) {
  std::vector<Precision> precisions;
  for (const std::string& dtype : dtypes)
    precisions.push_back(precision_named("bench model --dtype", dtype));
  if (precisions.empty()) precisions = {Precision::f32};
  const bench::GpuFacts facts = bench::gpu_facts(device);
  std::vector<bench::GpuModelTiming> timings;
  for (const int64_t batch : batches)
    for (const bench::GpuModelTiming& timing : bench::measure_model_on_gpu(
             facts, model.config, model.graph, precisions, batch, launch_graph,
             {.sample_seconds = 0.02, .budget_seconds = seconds}))
      timings.push_back(timing);
  return report(facts, model.config.name, timings, json);
}

int bench_step_on_gpu(const TrainConfig& config, Device device, bool json) {
  const bench::GpuFacts facts = bench::gpu_facts(device);
  return report(facts, config.model.name + ", an AdamW step,",
                bench::measure_step_on_gpu(facts, config, {.sample_seconds = 0.02}), json);
}

}  // namespace espalier::app
