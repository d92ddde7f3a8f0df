#include "bench/roofline.h"

#include <algorithm>

#include "bench/frame.h"

namespace espalier::bench {
namespace {

bool is_best_row(const KernelResult& result, Isa isa) {
  return result.verified() && result.threads == 1 && result.way == isa_name(isa);
}

double intensity(const Work& work) { return work.flops / work.bytes; }

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

// The series of a kernel, which is the part of a case's name before its shape.
Series& kernel_series(std::vector<Series>& all, const std::string& name) {
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

Chart roofline(const HardwareProfile& profile, const std::vector<KernelResult>& results) {
  const auto peak = std::find_if(profile.peaks.begin(), profile.peaks.end(),
                                 [](const PeakRate& p) { return p.threads == 1; });
  Chart chart;
  chart.title = "Roofline of one thread";
  chart.x.label = "arithmetic intensity (FLOP/byte)";
  chart.y.label = "GFLOP/s";
  chart.x.log = chart.y.log = true;
  if (peak == profile.peaks.end()) return chart;
  chart.title += std::string(", ") + isa_name(peak->isa) + ", " + profile.cpu + ": peak " +
                 fixed(peak->gflops, 1) + " GFLOP/s";
  std::vector<Series> kernels;  // first, for the palette; the roofs follow
  double low = 0.05, high = 10;
  for (const KernelResult& result : results) {
    if (!is_best_row(result, peak->isa)) continue;
    const double x = intensity(result.work);
    Series& series = kernel_series(kernels, result.name.substr(0, result.name.find('/')));
    series.x.push_back(x);
    series.y.push_back(1e-9 * result.work.flops /
                       summarise(result.timing.seconds(result.threads)).median);
    low = std::min(low, x / 2);
    high = std::max(high, x * 2);
  }
  for (const CopyRate& copy : profile.copies)
    if (copy.threads == 1) kernels.push_back(roof(copy, peak->gflops, low, high));
  chart.series = kernels;
  chart.x.low = low / 3;  // room for the roofs' names
  return chart;
}

}  // namespace espalier::bench
