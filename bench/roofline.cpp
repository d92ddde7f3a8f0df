#include "bench/roofline.h"

#include <algorithm>
#include <set>

#include "bench/frame.h"

namespace espalier::bench {
namespace {

// What memory allows, from `low` until arithmetic is the limit; named where it starts.
Series slope(const CopyRate& copy, double peak, double low, double high) {
  const double ridge = std::clamp(peak / copy.gigabytes, low, high);
  Series out;
  out.x = {low, ridge};
  out.y = {copy.gigabytes * low, copy.gigabytes * ridge};
  out.labels = {copy.level + " " + fixed(copy.gigabytes, 0) + " GB/s", ""};
  out.colour = axis_colour;
  return out;
}

// What arithmetic allows, from where the fastest memory feeds it; named where it ends.
Series ceiling(const PeakRate& peak, double fastest, double low, double high) {
  Series out;
  out.x = {std::clamp(peak.gops / fastest, low, high), high};
  out.y = {peak.gops, peak.gops};
  out.labels = {"", arithmetic_name(peak.arithmetic) + (" " + fixed(peak.gops, 1)) + " Gop/s (" +
                        isa_name(peak.isa) + ")"};
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

// Of the points' arithmetics, each once: that of bf16 may be fp32's.
std::vector<const PeakRate*> ceilings(const HardwareProfile& profile, int threads,
                                      const std::vector<RooflinePoint>& points) {
  std::set<const PeakRate*> found = {best_peak(profile, DType::f32, threads)};
  for (const RooflinePoint& point : points)
    found.insert(best_peak(profile, point.arithmetic, threads));
  found.erase(nullptr);
  // The highest first: its name then stands above those of the ones that run close below.
  std::vector<const PeakRate*> out = {found.begin(), found.end()};
  std::sort(out.begin(), out.end(),
            [](const PeakRate* a, const PeakRate* b) { return a->gops > b->gops; });
  return out;
}

}  // namespace

Chart roofline(const HardwareProfile& profile, int threads,
               const std::vector<RooflinePoint>& points) {
  Chart chart;
  chart.title = (threads == 1 ? "Roofline of one thread, "
                              : "Roofline of " + std::to_string(threads) + " threads, ") +
                profile.cpu;
  chart.x.label = "arithmetic intensity (operations/byte)";
  chart.y.label = "Gop/s";
  chart.x.log = chart.y.log = true;
  double low = 0.05, high = 10, fastest = 0, highest = 0;
  for (const RooflinePoint& point : points) {  // first, for the palette; the roofs follow
    Series& series = series_named(chart.series, point.name);
    series.x.push_back(point.intensity);
    series.y.push_back(point.gops);
    low = std::min(low, point.intensity / 2);
    high = std::max(high, point.intensity * 2);
  }
  const std::vector<const PeakRate*> peaks = ceilings(profile, threads, points);
  for (const PeakRate* peak : peaks) highest = std::max(highest, peak->gops);
  for (const CopyRate& copy : profile.copies)
    if (copy.threads == threads) {
      chart.series.push_back(slope(copy, highest, low, high));
      fastest = std::max(fastest, copy.gigabytes);
    }
  for (const PeakRate* peak : peaks) chart.series.push_back(ceiling(*peak, fastest, low, high));
  chart.x.low = low / 3;  // room for the roofs' names
  if (highest > 0) chart.y.high = 2 * highest;
  return chart;
}

Chart roofline(const HardwareProfile& profile, const std::vector<KernelResult>& results) {
  std::vector<RooflinePoint> points;
  std::set<std::string> seen;  // a table's best row comes first
  for (const KernelResult& result : results) {
    if (!result.verified() || result.threads != 1 || result.way != isa_name(result.isa) ||
        !seen.insert(result.name).second)
      continue;
    const double seconds = summarise(result.timing.seconds(1)).median;
    points.push_back({result.name.substr(0, result.name.find('/')),  // before the case's shape
                      result.arithmetic, result.work.operations / result.work.bytes,
                      1e-9 * result.work.operations / seconds});
  }
  return roofline(profile, 1, points);
}

}  // namespace espalier::bench
