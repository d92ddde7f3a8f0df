// The kernel benchmark of a GPU: each kernel's results are held against a reference in double, or
// in the same integers, and only then timed, in turns with cuBLAS or cuBLASLt where one computes
// the same. What is wrong is reported and never timed, and nothing is on an emulated GPU, where
// shapes are small.
#pragma once

#include "bench/cases/case.h"
#include "bench/gpu.h"

namespace espalier::bench {

// One way to compute a case of a GPU.
struct GpuContender {
  std::string name;               // "own", "cuBLAS", "cuBLASLt"
  std::function<void()> run;      // begins it
  std::function<double()> error;  // of what the last run left, in units of its bound
};

struct GpuCase {
  std::string name;
  std::function<std::pair<Work, std::vector<GpuContender>>(const GpuFacts&)> make;  // ours first
};
std::vector<GpuCase> gpu_cases(const GpuFacts& facts);

struct GpuKernelResult {
  std::string name, way;
  double error;  // above 1 (or NaN) is wrong
  Work work;
  std::optional<Summary> seconds;  // none where it is wrong, or the GPU emulated
  double versus_baseline = 0;      // how many times as fast as the library; 0 for none
  bool verified() const { return error <= 1; }
};

void run_gpu_case(const GpuFacts& facts, const GpuCase& gpu_case, const MeasureOptions& options,
                  const std::function<void(const GpuKernelResult&)>& report);
// Every case whose name contains `filter`.
void run_gpu_benchmarks(const GpuFacts& facts, const std::string& filter,
                        const MeasureOptions& options,
                        const std::function<void(const GpuKernelResult&)>& report);

// A plain-text table: its heading, and the line of one result.
std::string gpu_table_heading();
std::string gpu_table_line(const GpuKernelResult& result);
// The same as JSON, the card in its context; times are null where there are none.
std::string gpu_results_json(const GpuFacts& facts, const std::vector<GpuKernelResult>& results);

}  // namespace espalier::bench
