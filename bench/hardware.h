// What this machine can do, measured: its clock, its peak arithmetic for every data type and
// instruction set, and how fast it copies on each level of its memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/dtype.h"
#include "kernels/isa.h"

namespace espalier::bench {

// The types that arithmetic has a ceiling for: f32, bf16 (products of bf16 with fp32 sums) and s8
// (with 32-bit sums).
inline constexpr DType arithmetics[] = {DType::f32, DType::bf16, DType::s8};
// "f32", "bf16", "int8"
const char* arithmetic_name(DType arithmetic);

struct PeakRate {
  DType arithmetic;
  Isa isa;
  int threads;
  double gops;       // 10^9 operations a second, a multiply-add counted as two
  double per_cycle;  // multiply-adds a cycle and thread
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
  std::vector<PeakRate> peaks;  // of bf16 only where it is not fp32's
  std::vector<CopyRate> copies;
};

// The peak of the best instruction set that was measured on so many threads, fp32's for bf16 where
// that is widened to it; null where none was.
const PeakRate* best_peak(const HardwareProfile& profile, DType arithmetic, int threads);

// Data caches of the first processor, smallest first; empty where the system does not tell.
std::vector<CacheLevel> data_caches();
std::string cpu_name();

// The thread pool's present width is used beside one thread. Each peak is the best of so many
// samples, each copy of a third as many: some three seconds for the usual 61.
constexpr int usual_samples = 61;
HardwareProfile measure_hardware(int samples = usual_samples);
// The same in about so many seconds, but for 9 samples at least and the usual number at most.
HardwareProfile measure_hardware_within(double seconds);

std::string hardware_table(const HardwareProfile& profile);
std::string hardware_json(const HardwareProfile& profile);
// What hardware_json() wrote, here or on another machine. File errors name `origin` and the field.
HardwareProfile hardware_from_json(const std::string& text, const std::string& origin);

// A piece of work at the peak of one data type up to one instruction set, on `threads` of the
// pool's threads, and the operations that it does.
struct PeakLoop {
  DType arithmetic;
  Isa isa;
  int threads;
  double operations() const;
  void operator()() const;
  friend bool operator==(const PeakLoop&, const PeakLoop&) = default;
};

}  // namespace espalier::bench
