// The energy that the processor's packages take, as Linux counts it (powercap, of Intel's and AMD's
// RAPL). It is the whole machine's: what else runs is counted too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::bench {

inline constexpr const char* powercap_folder = "/sys/class/powercap";

// Packages and their memory are added up; cores and graphics are parts of a package. Where the
// machine has no such counters, or keeps them from us, nothing is counted and absent() says why.
class EnergyCounter {
 public:
  explicit EnergyCounter(const std::string& folder = powercap_folder);

  const std::string& absent() const noexcept { return absent_; }  // empty where it counts
  void start();
  // Joules since start(); 0 where nothing is counted. A counter that began again at 0 meanwhile is
  // understood, once: after so many minutes at full load it may have done so twice.
  double joules() const;

 private:
  struct Zone {
    std::string file;
    uint64_t range = 0;    // microjoules, at which it begins again
    uint64_t started = 0;  // microjoules
  };
  std::vector<Zone> zones_;
  std::string absent_;
};

}  // namespace espalier::bench
