#include "bench/gpu_kernels.h"

#include <cstdio>

#include "bench/table.h"
#include "engine/io/json.h"

namespace espalier::bench {

void run_gpu_case(const GpuFacts& facts, const GpuCase& gpu_case, const MeasureOptions& options,
                  const std::function<void(const GpuKernelResult&)>& report) {
  const auto [work, contenders] = gpu_case.make(facts);
  std::vector<GpuKernelResult> results;
  std::vector<std::function<void()>> right;
  for (const GpuContender& contender : contenders) {
    contender.run();
    results.push_back({gpu_case.name, contender.name, contender.error(), work, {}});
    if (results.back().verified()) right.push_back(contender.run);
  }
  const std::vector<Timing> timings = measure_on_gpu(facts, right, options);
  const bool versus = contenders.size() == 2 && timings.size() == 2;
  size_t timed = 0;
  for (GpuKernelResult& result : results) {
    if (result.verified() && !timings.empty()) result.seconds = summarise(timings[timed++].wall);
    if (versus && &result == results.data())
      result.versus_baseline = paired_ratio(timings[1].wall, timings[0].wall);
    report(result);
  }
}

void run_gpu_benchmarks(const GpuFacts& facts, const std::string& filter,
                        const MeasureOptions& options,
                        const std::function<void(const GpuKernelResult&)>& report) {
  for (const GpuCase& gpu_case : gpu_cases(facts))
    if (gpu_case.name.find(filter) != std::string::npos)
      run_gpu_case(facts, gpu_case, options, report);
}

std::string gpu_table_heading() {
  return table_heading({{"kernel", -31},
                        {"by", -9},
                        {"of bound", 8},
                        {"time (us)", 11},
                        {"spread", 7},
                        {"Gop/s", 9},
                        {"GB/s", 7},
                        {"library", 8}});
}

std::string gpu_table_line(const GpuKernelResult& r) {
  char line[160];
  if (!r.verified()) {
    std::snprintf(line, sizeof line, "%-31s %-9s WRONG: off by %.3g times the bound\n",
                  r.name.c_str(), r.way.c_str(), r.error);
    return line;
  }
  const int length =
      std::snprintf(line, sizeof line, "%-31s %-9s %8.3f", r.name.c_str(), r.way.c_str(), r.error);
  char* const rest = line + length;
  const size_t room = sizeof line - static_cast<size_t>(length);
  if (!r.seconds) {
    std::snprintf(rest, room, " verified\n");
    return line;
  }
  char versus[16] = "-";
  if (r.versus_baseline > 0) std::snprintf(versus, sizeof versus, "%.2fx", r.versus_baseline);
  std::snprintf(rest, room, " %11.2f %6.1f%% %9.1f %7.1f %8s\n", 1e6 * r.seconds->median,
                100 * r.seconds->spread(), 1e-9 * r.work.operations / r.seconds->median,
                1e-9 * r.work.bytes / r.seconds->median, versus);
  return line;
}

std::string gpu_results_json(const GpuFacts& facts, const std::vector<GpuKernelResult>& results) {
  Json out = {{"context", Json::parse(facts.json())}, {"benchmarks", Json::array()}};
  for (const GpuKernelResult& r : results) {
    Json one = {{"name", r.name}, {"way", r.way}, {"verified", r.verified()}};
    if (r.verified()) one["error"] = r.error;
    one["median_seconds"] = r.seconds ? Json(r.seconds->median) : Json();
    if (r.seconds) {
      one["spread"] = r.seconds->spread();
      one["Gop/s"] = 1e-9 * r.work.operations / r.seconds->median;
      one["GB/s"] = 1e-9 * r.work.bytes / r.seconds->median;
    }
    if (r.versus_baseline > 0) one["versus_baseline"] = r.versus_baseline;
    out["benchmarks"].push_back(one);
  }
  return out.dump(2);
}

}  // namespace espalier::bench
