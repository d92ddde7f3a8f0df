// What the machine can do as text, as JSON, and back from it.
#include <algorithm>
#include <cstdio>

#include "bench/axis.h"
#include "bench/hardware.h"
#include "engine/io/json_fields.h"

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

// The names that JSON has for what are no numbers.
struct NamedRate {
  std::string arithmetic, isa;
  PeakRate rate{};
};

template <class Visit>
void visit_fields(CacheLevel& c, Visit&& visit) {
  visit("level", c.level);
  visit("bytes", c.bytes);
  visit("shared_by", c.shared_by);
}
template <class Visit>
void visit_fields(NamedRate& r, Visit&& visit) {
  visit("arithmetic", r.arithmetic);
  visit("isa", r.isa);
  visit("threads", r.rate.threads);
  visit("gops", r.rate.gops);
  visit("multiply_adds_per_cycle", r.rate.per_cycle);
}
template <class Visit>
void visit_fields(CopyRate& c, Visit&& visit) {
  visit("level", c.level);
  visit("threads", c.threads);
  visit("bytes", c.bytes);
  visit("gigabytes_per_second", c.gigabytes);
}

// A profile with names in place of its enumerations.
struct WrittenProfile {
  HardwareProfile profile{};
  std::vector<NamedRate> peaks{};
};
template <class Visit>
void visit_fields(WrittenProfile& w, Visit&& visit) {
  visit("cpu", w.profile.cpu);
  visit("processors", w.profile.processors);
  visit("clock_ghz", w.profile.clock_ghz);
  visit("caches", w.profile.caches);
  visit("peaks", w.peaks);
  visit("copies", w.profile.copies);
}

std::string hardware_json(const HardwareProfile& profile) {
  WrittenProfile written{profile, {}};
  for (const PeakRate& peak : profile.peaks)
    written.peaks.push_back({arithmetic_name(peak.arithmetic), isa_name(peak.isa), peak});
  return fields_to_json(written).dump(2);
}

HardwareProfile hardware_from_json(const std::string& text, const std::string& origin) {
  WrittenProfile written;
  fields_from_json(written, parse_json(text, origin), origin);
  HardwareProfile profile = std::move(written.profile);
  for (NamedRate& named : written.peaks) {
    const auto* arithmetic =
        std::find_if(std::begin(arithmetics), std::end(arithmetics),
                     [&](DType dtype) { return named.arithmetic == arithmetic_name(dtype); });
    if (arithmetic == std::end(arithmetics))
      file_error(origin,
                 "peaks.arithmetic is '" + named.arithmetic + "'; expected f32, bf16 or int8");
    const auto isa = isa_from_name(named.isa);
    if (!isa) file_error(origin, "peaks.isa is '" + named.isa + "'; expected an instruction set");
    if (!(named.rate.gops > 0))
      file_error(origin, "peaks.gops is " + std::to_string(named.rate.gops) + "; expected above 0");
    named.rate.arithmetic = *arithmetic;
    named.rate.isa = *isa;
    profile.peaks.push_back(named.rate);
  }
  for (const CopyRate& copy : profile.copies)
    if (!(copy.gigabytes > 0))
      file_error(origin, "copies.gigabytes_per_second is " + std::to_string(copy.gigabytes) +
                             "; expected above 0");
  return profile;
}

}  // namespace espalier::bench
