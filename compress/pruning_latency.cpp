#include "compress/pruning_latency.h"

#include <algorithm>
#include <cstdio>

#include "engine/error.h"
#include "engine/parallel.h"

namespace espalier {
namespace {

std::vector<PrunedLatency> pruned_shapes(const VisionTransformer& model,
                                         const PruningLatencyOptions& options) {
  std::vector<PrunedLatency> out(1);
  out[0].config = model.config;
  for (double share : options.shares) {
    if (!(share > out.back().share))
      argument_error("pruning_latency", "shares",
                     std::to_string(share) + " after " + std::to_string(out.back().share),
                     "shares above 0 that ascend", "");
    PruneOptions how = options.pruning;
    how.selection.fraction = share;
    out.emplace_back();
    out.back().share = share;
    out.back().config = prune_model(model, how, {}).model->config;
  }
  return out;
}

// The seconds of each, round by round. Where a plan's memory lies makes it up to a tenth slower or
// faster for as long as it lives, more than some steps; so all are made anew a few times, in
// another order each, and the rounds are put together.
std::vector<std::vector<double>> in_several_places(std::vector<ViTConfig> configs,
                                                   LatencyOptions options) {
  constexpr size_t places = 7;
  options.measure.samples = std::max(3, options.measure.samples / static_cast<int>(places));
  options.measure.budget_seconds /= static_cast<double>(places);
  const size_t count = configs.size();
  std::vector<std::vector<double>> out(count);
  for (size_t place = 0; place < places; ++place) {
    const std::vector<bench::Timing> timings = latencies(configs, options);
    for (size_t i = 0; i < count; ++i) {
      const std::vector<double>& seconds = timings[i].seconds(num_threads());
      std::vector<double>& to = out[(i + place) % count];
      to.insert(to.end(), seconds.begin(), seconds.end());
    }
    std::rotate(configs.begin(), configs.begin() + 1, configs.end());
  }
  return out;
}

}  // namespace

std::vector<PrunedLatency> pruning_latency(const VisionTransformer& model,
                                           const PruningLatencyOptions& options) {
  std::vector<PrunedLatency> out = pruned_shapes(model, options);
  std::vector<ViTConfig> configs;
  for (const PrunedLatency& at : out) configs.push_back(at.config);
  const std::vector<std::vector<double>> seconds = in_several_places(configs, options.latency);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].seconds = bench::summarise(seconds[i]);
    out[i].times_as_fast = bench::paired_ratio(seconds[0], seconds[i]);
    if (i > 0) out[i].step = bench::paired_ratios(seconds[i], seconds[i - 1]);
  }
  return out;
}

std::string pruning_latency_table(const std::vector<PrunedLatency>& rows) {
  char line[160];
  std::snprintf(line, sizeof line, "%9s %11s %11s %7s %8s %9s %7s  %s\n", "pruned", "parameters",
                "time (ms)", "spread", "x faster", "step", "spread", "falls by more");
  std::string out = line;
  for (const PrunedLatency& row : rows) {
    std::snprintf(line, sizeof line, "%7g %% %11lld %11.4f %6.1f%% %7.2fx", 100 * row.share,
                  static_cast<long long>(row.config.parameter_count()), 1e3 * row.seconds.median,
                  100 * row.seconds.spread(), row.times_as_fast);
    out += line;
    if (row.share > 0) {
      std::snprintf(line, sizeof line, " %+8.1f%% %6.1f%%  %s", 100 * (row.step.median - 1),
                    50 * (row.step.high - row.step.low), row.falls() ? "yes" : "no");
      out += line;
    }
    out += '\n';
  }
  return out;
}

}  // namespace espalier
