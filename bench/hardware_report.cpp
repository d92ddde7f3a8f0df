// What the machine can do as text and as JSON.
#include <cstdio>

#include "bench/axis.h"
#include "bench/hardware.h"
#include "engine/io/json.h"

namespace espalier::bench {
namespace {

std::string peak_lines(const HardwareProfile& profile, DType arithmetic) {
  const std::string title = std::string(arithmetic_name(arithmetic)) + " peak";
  const PeakRate* best = best_peak(profile, arithmetic, 1);
  if (best && best->arithmetic != arithmetic)
    return title + ": that of " + arithmetic_name(best->arithmetic) +
           ", to which it is widened here\n";
  char line[128];
  std::snprintf(line, sizeof line, "%-13s %7s %9s %13s %15s\n", title.c_str(), "threads", "Gop/s",
                "Gop/s a core", "MAC/cycle/core");
  std::string out = line;
  for (const PeakRate& peak : profile.peaks) {
    if (peak.arithmetic != arithmetic) continue;
    std::snprintf(line, sizeof line, "%-13s %7d %9.1f %13.1f %15.2f\n", isa_name(peak.isa),
                  peak.threads, peak.gops, peak.gops / peak.threads, peak.per_cycle);
    out += line;
  }
  return out;
}

std::string copy_lines(const HardwareProfile& profile) {
  char line[128];
  std::snprintf(line, sizeof line, "%-13s %7s %9s %13s\n", "copy", "threads", "GB/s", "KiB in use");
  std::string out = line;
  for (const CopyRate& copy : profile.copies) {
    std::snprintf(line, sizeof line, "%-13s %7d %9.1f %13s\n", copy.level.c_str(), copy.threads,
                  copy.gigabytes, fixed(static_cast<double>(copy.bytes) / 1024, 0).c_str());
    out += line;
  }
  return out;
}

}  // namespace

std::string hardware_table(const HardwareProfile& profile) {
  std::string out = profile.cpu + ", " + std::to_string(profile.processors) +
                    " processors, clock " + fixed(profile.clock_ghz, 2) + " GHz\n";
  for (DType arithmetic : arithmetics) out += "\n" + peak_lines(profile, arithmetic);
  return out + "\n" + copy_lines(profile);
}

std::string hardware_json(const HardwareProfile& profile) {
  Json out = {{"cpu", profile.cpu},
              {"processors", profile.processors},
              {"clock_ghz", profile.clock_ghz},
              {"caches", Json::array()},
              {"peaks", Json::array()},
              {"copies", Json::array()}};
  for (const CacheLevel& cache : profile.caches)
    out["caches"].push_back(
        {{"level", cache.level}, {"bytes", cache.bytes}, {"shared_by", cache.shared_by}});
  for (const PeakRate& peak : profile.peaks)
    out["peaks"].push_back({{"arithmetic", arithmetic_name(peak.arithmetic)},
                            {"isa", isa_name(peak.isa)},
                            {"threads", peak.threads},
                            {"gops", peak.gops},
                            {"multiply_adds_per_cycle", peak.per_cycle}});
  for (const CopyRate& copy : profile.copies)
    out["copies"].push_back({{"level", copy.level},
                             {"threads", copy.threads},
                             {"bytes", copy.bytes},
                             {"gigabytes_per_second", copy.gigabytes}});
  return out.dump(2);
}

}  // namespace espalier::bench
