#include "bench/energy.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace espalier::bench {
namespace {

namespace fs = std::filesystem;

std::optional<uint64_t> number_in(const std::string& file) {
  std::ifstream stream(file);
  uint64_t value = 0;
  if (stream >> value) return value;
  return {};
}

// Zones are called intel-rapl:0 (a package) and intel-rapl:0:1 (a part of it). "psys", the whole
// platform, holds the packages, where a machine has it.
bool is_counted(const fs::path& zone) {
  if (zone.filename().string().rfind("intel-rapl:", 0) != 0) return false;
  std::ifstream stream(zone / "name");
  std::string name;
  stream >> name;
  return name.rfind("package", 0) == 0 || name == "dram";
}

}  // namespace

EnergyCounter::EnergyCounter(const std::string& folder) {
  absent_ = "this machine offers no energy counter (virtual machines often have none)";
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_counted(entry.path())) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  for (const fs::path& zone : found) {
    const std::string file = zone / "energy_uj";
    errno = 0;
    const auto range = number_in(zone / "max_energy_range_uj");
    if (!range || !number_in(file)) {
      const int reason = errno;
      zones_.clear();
      absent_ = "the system keeps the energy counter " + file + " from us" +
                (reason ? std::string(": ") + std::strerror(reason) : "");
      return;
    }
    zones_.push_back({file, *range});
  }
  if (!zones_.empty()) absent_.clear();
}

void EnergyCounter::start() {
  for (Zone& zone : zones_) zone.started = number_in(zone.file).value_or(0);
}

double EnergyCounter::joules() const {
  double sum = 0;
  for (const Zone& zone : zones_) {
    const uint64_t now = number_in(zone.file).value_or(zone.started);
    const uint64_t to_the_end = zone.range > zone.started ? zone.range - zone.started : 0;
    const uint64_t taken = now >= zone.started ? now - zone.started : now + to_the_end;
    sum += 1e-6 * static_cast<double>(taken);
  }
  return sum;
}

}  // namespace espalier::bench
