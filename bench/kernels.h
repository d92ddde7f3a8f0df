// The kernel benchmark: every row of a kernel's table is first checked against its reference, in
// double or in the same integers, and then timed, in turns with the peak loop of its data type and
// instruction set. A row that is wrong is reported and never timed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/cases/case.h"
#include "bench/measure.h"

namespace espalier::bench {

struct KernelResult {
  std::string name;  // the case: "gemm_f32/49x128x128"
  std::string way;   // the row or baseline: "avx2", "Eigen avx2"
  DType arithmetic;  // whose peak it is held against
  Isa isa;
  int threads;
  double error;  // in units of the bound; above 1 (or NaN) is wrong, and the rest is not measured
  Work work;     // of one run
  Timing timing;
  double peak_gops;        // measured meanwhile, on as many threads
  double of_peak;          // this row's operations a second over the peak's: the median over rounds
  double versus_baseline;  // how many times as fast as the baseline on as many threads; 0 for none
  bool verified() const { return error <= 1; }
};

struct KernelBenchOptions {
  std::string filter;  // cases whose name contains it; empty for all
  MeasureOptions measure = {};
};

// The names of all cases.
std::vector<std::string> kernel_case_names();

// Runs the cases and hands each result to `report` as soon as it is there. One thread and the
// pool's present width are timed; the instruction set limit is honoured.
void run_kernel_benchmarks(const KernelBenchOptions& options,
                           const std::function<void(const KernelResult&)>& report);

void run_kernel_case(const NamedCase& named, const MeasureOptions& options,
                     const std::function<void(const KernelResult&)>& report);

// A plain-text table: its heading, and the line of one result. Times and rates follow
// Timing::seconds().
std::string kernel_table_heading();
std::string kernel_table_line(const KernelResult& result);

// The results in the format of Google Benchmark's --benchmark_format=json: a context, and times in
// nanoseconds with our figures as counters.
std::string kernel_results_json(const std::vector<KernelResult>& results);

}  // namespace espalier::bench
