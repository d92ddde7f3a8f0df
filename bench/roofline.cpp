#include "bench/roofline.h"

#include <algorithm>

#include "bench/frame.h"

namespace espalier::bench {
namespace {

// From `low` over the ridge, where memory stops being the limit, to `high`; named where it starts.
Series roof(const CopyRate& copy, double peak, double low, double high) {
  const double ridge = std::clamp(peak / copy.gigabytes, low, high);
  const auto height = [&](double x) { return std::min(peak, copy.gigabytes * x); };
  Series out;
  out.x = {low, ridge, high};
  out.y = {height(low), height(ridge), height(high)};
  out.labels = {copy.level + " " + fixed(copy.gigabytes, 0) + " GB/s", "", ""};
  out.colour = axis_colour;
  return out;
}

Series& series_named(std::vector<Series>& all, const std::string& name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Series& s) { return s.name == name; });
  if (found != all.end()) return *found;
  Series added;
  added.name = name;
  added.line = false;
  added.points = true;
  all.push_back(added);
  return all.back();
}

}  // namespace

Chart roofline(const HardwareProfile& profile, int threads,
               const std::vector<RooflinePoint>& points) {
  Chart chart;
  chart.title = threads == 1 ? "Roofline of one thread"
                             : "Roofline of " + std::to_string(threads) + " threads";
  chart.x.label = "arithmetic intensity (FLOP/byte)";
  chart.y.label = "GFLOP/s";
  chart.x.log = chart.y.log = true;
  const PeakRate* peak = best_peak(profile, threads);
  if (!peak) return chart;
  chart.title += std::string(", ") + isa_name(peak->isa) + ", " + profile.cpu + ": peak " +
                 fixed(peak->gflops, 1) + " GFLOP/s";
  double low = 0.05, high = 10;
  for (const RooflinePoint& point : points) {  // first, for the palette; the roofs follow
    Series& series = series_named(chart.series, point.name);
    series.x.push_back(point.intensity);
    series.y.push_back(point.gflops);
    low = std::min(low, point.intensity / 2);
    high = std::max(high, point.intensity * 2);
  }
  for (const CopyRate& copy : profile.copies)
    if (copy.threads == threads) chart.series.push_back(roof(copy, peak->gflops, low, high));
  chart.x.low = low / 3;  // room for the roofs' names
  return chart;
}

Chart roofline(const HardwareProfile& profile, const std::vector<KernelResult>& results) {
  const PeakRate* peak = best_peak(profile, 1);
  std::vector<RooflinePoint> points;
  for (const KernelResult& result : results) {
    if (!peak || !result.verified() || result.threads != 1 || result.way != isa_name(peak->isa))
      continue;
    const double seconds = summarise(result.timing.seconds(1)).median;
    points.push_back({result.name.substr(0, result.name.find('/')),  // before the case's shape
                      result.work.flops / result.work.bytes, 1e-9 * result.work.flops / seconds});
  }
  return roofline(profile, 1, points);
}

}  // namespace espalier::bench
