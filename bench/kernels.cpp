#include "bench/kernels.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "bench/hardware.h"
#include "bench/table.h"
#include "engine/dispatch.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier::bench {
namespace {

Cases all_cases() {
  Cases cases;
  for (auto* add : {add_gemm_cases, add_gemm_s8_cases, add_conv2d_cases, add_attention_cases,
                    add_attention_s8_cases, add_softmax_cases, add_layer_norm_cases,
                    add_layer_norm_s8_cases, add_gelu_cases})
    add(cases);
  return cases;
}

// A contender on a number of threads.
struct Entry {
  const Contender* contender;
  int threads;
  double error = 0;
};

std::function<void()> runner(const KernelCase& c, const Entry& entry) {
  const auto& run = entry.contender->run;
  const int64_t pieces = c.pieces, grain = c.grain;
  const bool whole = entry.threads == 1 || entry.contender->kind == Contender::Kind::pool;
  if (whole) return [&run, pieces] { run(0, pieces); };
  return [&run, pieces, grain] { parallel_for(pieces, grain, run); };
}

// The contender that takes `c` on all threads in the name of its first `kind`: the operation of
// that name which splits itself over the pool, where there is one. Null when no contender is of
// `kind`.
const Contender* on_all_threads(const KernelCase& c, Contender::Kind kind) {
  const auto first = std::find_if(c.contenders.begin(), c.contenders.end(),
                                  [&](const Contender& each) { return each.kind == kind; });
  if (first == c.contenders.end()) return nullptr;
  const auto twin = std::find_if(first + 1, c.contenders.end(),
                                 [&](const Contender& each) { return each.name == first->name; });
  return twin == c.contenders.end() ? &*first : &*twin;
}

// Every contender on one thread, or on the pool where it uses that by itself; the best row and the
// best baseline on all threads too.
std::vector<Entry> entries(const KernelCase& c) {
  const Contender* const row = on_all_threads(c, Contender::Kind::row);
  std::vector<Entry> out;
  for (const Contender& contender : c.contenders) {
    const bool pool = contender.kind == Contender::Kind::pool;
    if (&contender != row || !pool) out.push_back({&contender, pool ? num_threads() : 1});
  }
  if (num_threads() == 1) return out;
  for (const Contender* const best : {row, on_all_threads(c, Contender::Kind::baseline)})
    if (best) out.push_back({best, num_threads()});
  return out;
}

// Runs each entry once on spoilt results; those that are wrong are taken out and returned.
std::vector<Entry> take_out_wrong(const KernelCase& c, std::vector<Entry>& list) {
  for (Entry& entry : list) {
    c.oracle.spoil();
    runner(c, entry)();
    entry.error = c.oracle.error();
  }
  const auto right = [](const Entry& e) { return e.error <= 1; };
  const auto middle = std::stable_partition(list.begin(), list.end(), right);
  const std::vector<Entry> wrong(middle, list.end());
  list.erase(middle, list.end());
  return wrong;
}

// The peak loops that the entries are held against, and which of them each entry's is.
struct Peaks {
  std::vector<PeakLoop> loops;
  size_t index(DType arithmetic, const Entry& entry) {
    const PeakLoop wanted = {arithmetic, entry.contender->isa, entry.threads};
    const auto found = std::find(loops.begin(), loops.end(), wanted);
    if (found != loops.end()) return static_cast<size_t>(found - loops.begin());
    loops.push_back(wanted);
    return loops.size() - 1;
  }
};

KernelResult result_of(const std::string& name, const KernelCase& c, const Entry& entry) {
  return {name,
          entry.contender->name,
          c.arithmetic,
          entry.contender->isa,
          entry.threads,
          entry.error,
          c.work,
          {},
          0,
          0,
          0};
}

const Timing* baseline_for(const Entry& entry, const std::vector<Entry>& list,
                           const std::vector<Timing>& timings) {
  if (entry.contender->kind == Contender::Kind::baseline) return nullptr;
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i].contender->kind == Contender::Kind::baseline && list[i].threads == entry.threads)
      return &timings[i];
  return nullptr;
}

Json context() {
  char date[64];
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &parts));
  double load[3] = {0, 0, 0};
  if (getloadavg(load, 3) != 3) load[0] = load[1] = load[2] = 0;
  Json out = {{"date", date},
              {"cpu", cpu_name()},
              {"isa", isa_name(isa_limit())},
              {"num_cpus", default_num_threads()},
              {"library_build_type", "release"},
              {"load_avg", load},
              {"caches", Json::array()}};
  for (const CacheLevel& cache : data_caches())
    out["caches"].push_back({{"type", cache.level == 1 ? "Data" : "Unified"},
                             {"level", cache.level},
                             {"size", cache.bytes},
                             {"num_sharing", cache.shared_by}});
  return out;
}

Json entry_of(const KernelResult& r) {
  const std::string name = r.name + "/" + r.way + "/threads:" + std::to_string(r.threads);
  Json out = {{"name", name},
              {"run_name", name},
              {"run_type", "iteration"},
              {"repetitions", 1},
              {"threads", r.threads}};
  if (!r.verified()) {
    out["error_occurred"] = true;
    out["error_message"] = "result is off by " + std::to_string(r.error) + " bounds";
    return out;
  }
  const Summary wall = summarise(r.timing.wall), judged = summarise(r.timing.seconds(r.threads));
  out["iterations"] = r.timing.calls * static_cast<int64_t>(r.timing.wall.size());
  out["real_time"] = 1e9 * wall.median;
  out["cpu_time"] = 1e9 * summarise(r.timing.cpu).median;
  out["time_unit"] = "ns";
  out["spread"] = judged.spread();
  out["arithmetic"] = arithmetic_name(r.arithmetic);
  out["Gop/s"] = 1e-9 * r.work.operations / judged.median;
  out["GB/s"] = 1e-9 * r.work.bytes / judged.median;
  out["elements/ns"] = 1e-9 * r.work.elements / judged.median;
  out["peak_Gop/s"] = r.peak_gops;
  out["of_peak"] = r.of_peak;
  if (r.versus_baseline > 0) out["versus_baseline"] = r.versus_baseline;
  out["error"] = r.error;
  return out;
}

}  // namespace

void run_kernel_case(const NamedCase& named, const MeasureOptions& options,
                     const std::function<void(const KernelResult&)>& report) {
  const KernelCase c = named.make();
  std::vector<Entry> list = entries(c);
  for (const Entry& wrong : take_out_wrong(c, list)) report(result_of(named.name, c, wrong));

  Peaks peaks;
  std::vector<size_t> peak_of;
  std::vector<std::function<void()>> candidates;
  for (const Entry& entry : list) {
    peak_of.push_back(peaks.index(c.arithmetic, entry));
    candidates.push_back(runner(c, entry));
  }
  candidates.insert(candidates.end(), peaks.loops.begin(), peaks.loops.end());
  const std::vector<Timing> timings = measure(candidates, options);

  for (size_t i = 0; i < list.size(); ++i) {
    const PeakLoop& loop = peaks.loops[peak_of[i]];
    const Timing& peak = timings[list.size() + peak_of[i]];
    KernelResult result = result_of(named.name, c, list[i]);
    result.timing = timings[i];
    const int threads = list[i].threads;
    const auto& seconds = timings[i].seconds(threads);
    result.peak_gops = 1e-9 * loop.operations() / summarise(peak.seconds(threads)).median;
    result.of_peak =
        c.work.operations / loop.operations() * paired_ratio(peak.seconds(threads), seconds);
    if (const Timing* baseline = baseline_for(list[i], list, timings))
      result.versus_baseline = paired_ratio(baseline->seconds(threads), seconds);
    report(result);
  }
}

std::vector<std::string> kernel_case_names() {
  std::vector<std::string> names;
  for (const NamedCase& named : all_cases()) names.push_back(named.name);
  return names;
}

void run_kernel_benchmarks(const KernelBenchOptions& options,
                           const std::function<void(const KernelResult&)>& report) {
  apply_isa_environment();
  for (const NamedCase& named : all_cases())
    if (named.name.find(options.filter) != std::string::npos)
      run_kernel_case(named, options.measure, report);
}

std::string kernel_table_heading() {
  return table_heading({{"kernel", -35},
                        {"row", -13},
                        {"thr", 3},
                        {"time (us)", 11},
                        {"spread", 7},
                        {"Gop/s", 9},
                        {"peak", 7},
                        {"of peak", 7},
                        {"GB/s", 7},
                        {"elem/ns", 8},
                        {"Eigen", 6}});
}

std::string kernel_table_line(const KernelResult& r) {
  char line[160];
  if (!r.verified()) {
    std::snprintf(line, sizeof line, "%-35s %-13s %3d WRONG: off by %.3g times the bound\n",
                  r.name.c_str(), r.way.c_str(), r.threads, r.error);
    return line;
  }
  const Summary time = summarise(r.timing.seconds(r.threads));
  char versus[16] = "-";
  if (r.versus_baseline > 0) std::snprintf(versus, sizeof versus, "%.2fx", r.versus_baseline);
  std::snprintf(line, sizeof line,
                "%-35s %-13s %3d %11.2f %6.1f%% %9.1f %7.1f %6.1f%% %7.1f %8.2f %6s\n",
                r.name.c_str(), r.way.c_str(), r.threads, 1e6 * time.median, 100 * time.spread(),
                1e-9 * r.work.operations / time.median, r.peak_gops, 100 * r.of_peak,
                1e-9 * r.work.bytes / time.median, 1e-9 * r.work.elements / time.median, versus);
  return line;
}

std::string kernel_results_json(const std::vector<KernelResult>& results) {
  Json out = {{"context", context()}, {"benchmarks", Json::array()}};
  for (const KernelResult& result : results) out["benchmarks"].push_back(entry_of(result));
  return out.dump(2);
}

}  // namespace espalier::bench
