// A model's profile as text, JSON and a trace.
#include <algorithm>
#include <cstdio>
#include <map>

#include "bench/counters.h"
#include "bench/model_profile.h"
#include "engine/io/json.h"

namespace espalier::bench {
namespace {

struct Line {
  std::string layer, operation, bound, row;
  int64_t calls;
  double seconds, flops, bytes, reached;
};

Line line_of(const StepProfile& step) {
  return {step.info.layer, step.info.operation, step.bound, isa_name(step.info.isa),
          step.calls,      step.seconds,        step.flops, step.bytes,
          step.reached};
}

// A step that does the work of several nodes names them all.
int operation_width(const ModelProfile& profile) {
  size_t width = 14;
  for (const StepProfile& step : profile.steps) width = std::max(width, step.info.operation.size());
  return static_cast<int>(width);
}

std::string text(const Line& line, const ModelProfile& profile) {
  const auto runs = static_cast<double>(profile.runs);
  const double busy = line.seconds / profile.workers;
  char out[240];
  std::snprintf(out, sizeof out,
                "%-24s %-*s %7lld %9.3f %6.1f%% %9.3f %9.1f %9.1f %9.2f %7.1f%% %-10s %s\n",
                line.layer.c_str(), operation_width(profile), line.operation.c_str(),
                static_cast<long long>(line.calls / profile.runs), 1e3 * line.seconds / runs,
                100 * line.seconds / profile.step_seconds(), 1e-6 * line.flops / runs,
                1e-3 * line.bytes / runs, busy > 0 ? 1e-9 * line.flops / busy : 0.0,
                line.bytes > 0 ? line.flops / line.bytes : 0.0, 100 * line.reached,
                line.bound.c_str(), line.row.c_str());
  return out;
}

// One line for each operation, the longest first. Its share of the roof is weighted by time.
std::vector<Line> by_operation(const ModelProfile& profile) {
  std::map<std::string, Line> sums;
  for (const StepProfile& step : profile.steps) {
    const auto [found, fresh] = sums.try_emplace(step.info.operation, line_of(step));
    Line& sum = found->second;
    if (fresh) {
      sum.layer = "all layers";
      sum.reached *= step.seconds;
      continue;
    }
    sum.calls += step.calls;
    sum.seconds += step.seconds;
    sum.flops += step.flops;
    sum.bytes += step.bytes;
    sum.reached += step.reached * step.seconds;
    if (sum.bound != step.bound) sum.bound = "several";
  }
  std::vector<Line> lines;
  for (auto& [name, sum] : sums) {
    if (sum.seconds > 0) sum.reached /= sum.seconds;
    lines.push_back(sum);
  }
  std::sort(lines.begin(), lines.end(),
            [](const Line& a, const Line& b) { return a.seconds > b.seconds; });
  return lines;
}

double share_of_wall(const ModelProfile& p) {
  return p.step_seconds() / p.workers / p.wall_seconds;
}

std::vector<const PeakRate*> ceilings(const ModelProfile& p) {
  std::vector<const PeakRate*> out;
  for (DType arithmetic : arithmetics)
    if (const PeakRate* peak = best_peak(p.hardware, arithmetic, p.threads);
        peak && peak->arithmetic == arithmetic &&
        std::any_of(p.steps.begin(), p.steps.end(),
                    [&](const StepProfile& step) { return step.info.arithmetic == arithmetic; }))
      out.push_back(peak);
  return out;
}

std::string ceilings_line(const ModelProfile& p) {
  std::string out = "roofs of arithmetic:";
  for (const PeakRate* peak : ceilings(p)) {
    char part[80];
    std::snprintf(part, sizeof part, "%s %s %.1f Gop/s by %s", out.back() == ':' ? "" : ",",
                  arithmetic_name(peak->arithmetic), peak->gops, isa_name(peak->isa));
    out += part;
  }
  return out + "\n";
}

Json ceilings_json(const ModelProfile& p) {
  Json out = Json::array();
  for (const PeakRate* peak : ceilings(p))
    out.push_back({{"arithmetic", arithmetic_name(peak->arithmetic)},
                   {"row", isa_name(peak->isa)},
                   {"operations_per_second", 1e9 * peak->gops}});
  return out;
}

Json bandwidths_json(const ModelProfile& p) {
  Json out = Json::array();
  for (const CopyRate& copy : p.hardware.copies)
    if (copy.threads == p.threads)
      out.push_back({{"level", copy.level}, {"bytes_per_second", 1e9 * copy.gigabytes}});
  return out;
}

// In the order of processor_events().
std::string counters_line(const ModelProfile& p) {
  if (p.counters.empty()) return "counters: none; " + p.counters_absent + "\n";
  const auto runs = static_cast<double>(p.runs);
  const double cycles = p.counters[0], instructions = p.counters[1], misses = p.counters[2];
  char line[200];
  std::snprintf(line, sizeof line,
                "counters%s: %.3f M cycles and %.3f M instructions a run (%.2f a cycle), %.1f k "
                "misses of the last-level cache\n",
                p.threads > 1 ? " of one of the threads" : "", 1e-6 * cycles / runs,
                1e-6 * instructions / runs, cycles > 0 ? instructions / cycles : 0.0,
                1e-3 * misses / runs);
  return line;
}

Json counters_json(const ModelProfile& p) {
  if (p.counters.empty()) return {{"absent", p.counters_absent}};
  Json out;
  for (size_t i = 0; i < p.counters.size(); ++i)
    out[processor_events()[i].name] = p.counters[i] / static_cast<double>(p.runs);
  return out;
}

}  // namespace

std::string profile_table(const ModelProfile& p) {
  char line[240];
  std::snprintf(line, sizeof line, "%-24s %-*s %7s %9s %7s %9s %9s %9s %9s %8s %-10s %s\n", "layer",
                operation_width(p), "operation", "calls", "ms", "share", "Mop", "KB", "Gop/s",
                "op/byte", "of roof", "bound", "row");
  const std::string heading = line;
  std::string out = heading;
  for (const StepProfile& step : p.steps) out += text(line_of(step), p);
  out += "\n" + heading;
  for (const Line& operation : by_operation(p)) out += text(operation, p);
  std::snprintf(
      line, sizeof line,
      "\n%s in %s, batch %lld in chunks of %lld, %d thread(s), %lld runs: %.3f ms a run, of "
      "which steps take %.1f %%; the profiler itself costs %.2f %%\n",
      p.model.c_str(), p.dtype.c_str(), static_cast<long long>(p.batch),
      static_cast<long long>(p.chunk), p.threads, static_cast<long long>(p.runs),
      1e3 * p.wall_seconds / static_cast<double>(p.runs), 100 * share_of_wall(p), 100 * p.overhead);
  out += line;
  std::snprintf(line, sizeof line, "memory: %.1f KB of activations, %.1f KB of packed weights\n",
                1e-3 * static_cast<double>(p.memory.activations),
                1e-3 * static_cast<double>(p.memory.weights));
  return out + line + ceilings_line(p) + counters_line(p);
}

std::string profile_json(const ModelProfile& p) {
  Json steps = Json::array();
  for (const StepProfile& step : p.steps)
    steps.push_back({{"layer", step.info.layer},
                     {"operation", step.info.operation},
                     {"row", isa_name(step.info.isa)},
                     {"arithmetic", arithmetic_name(step.info.arithmetic)},
                     {"calls", step.calls},
                     {"seconds", step.seconds},
                     {"share", step.seconds / p.step_seconds()},
                     {"flops", step.flops},
                     {"bytes", step.bytes},
                     {"roof", step.roof},
                     {"of_roof", step.reached},
                     {"bound", step.bound}});
  return Json{{"model", p.model},
              {"dtype", p.dtype},
              {"batch", p.batch},
              {"chunk", p.chunk},
              {"threads", p.threads},
              {"runs", p.runs},
              {"wall_seconds", p.wall_seconds},
              {"steps_of_wall", share_of_wall(p)},
              {"profiler_overhead", p.overhead},
              {"activation_bytes", p.memory.activations},
              {"weight_bytes", p.memory.weights},
              {"ceilings", ceilings_json(p)},
              {"bandwidths", bandwidths_json(p)},
              {"counters", counters_json(p)},
              {"steps", steps}}
      .dump(2);
}

std::string trace_json(const ModelProfile& p) {
  Json events = Json::array();
  const int64_t start = p.events.empty() ? 0 : p.events.front().start;
  for (const profiler::Event& event : p.events) {
    Json args = Json::object();
    if (event.step >= 0) {
      const Plan::StepInfo& info = p.steps[static_cast<size_t>(event.step)].info;
      args = {{"layer", info.layer}, {"operation", info.operation}, {"row", isa_name(info.isa)}};
    }
    events.push_back({{"name", event.name},
                      {"cat", event.phase},
                      {"ph", "X"},
                      {"ts", 1e-3 * static_cast<double>(event.start - start)},  // microseconds
                      {"dur", 1e-3 * static_cast<double>(event.duration)},
                      {"pid", 1},
                      {"tid", event.thread},
                      {"args", args}});
  }
  return Json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump();
}

}  // namespace espalier::bench
