// What this machine can do, measured: its clock, its peak arithmetic for every instruction set, and
// how fast it copies on each level of its memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/isa.h"

namespace espalier::bench {

struct PeakRate {
  Isa isa;
  int threads;
  double gflops;     // fp32, a multiply-add counted as two
  double per_cycle;  // multiply-add instructions a cycle and thread; 0 for scalar code
};

struct CopyRate {
  std::string level;  // "L1", "L2", "L3", "memory"
  int threads;
  int64_t bytes;     // source and target together, of all threads
  double gigabytes;  // a second, read and written together
};

struct CacheLevel {
  int level;
  int64_t bytes;
  int shared_by;  // processors
};

struct HardwareProfile {
  std::string cpu;
  int processors = 0;    // that this process may use
  double clock_ghz = 0;  // while the peaks were measured
  std::vector<CacheLevel> caches;
  std::vector<PeakRate> peaks;
  std::vector<CopyRate> copies;
};

// The peak of the best instruction set that was measured on so many threads; null where none was.
const PeakRate* best_peak(const HardwareProfile& profile, int threads);

// Data caches of the first processor, smallest first; empty where the system does not tell.
std::vector<CacheLevel> data_caches();
std::string cpu_name();

// The thread pool's present width is used beside one thread. Takes about two seconds.
HardwareProfile measure_hardware();

std::string hardware_table(const HardwareProfile& profile);
std::string hardware_json(const HardwareProfile& profile);

// A piece of work at the peak of one instruction set, on `threads` of the pool's threads, and the
// floating-point operations that it does.
struct PeakLoop {
  Isa isa;
  int threads;
  double flops() const;
  void operator()() const;
};

}  // namespace espalier::bench
