#include "bench/hardware.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>

#include "bench/measure.h"
#include "engine/parallel.h"
#include "kernels/peak/peak.h"
#include "kernels/peak_s8/peak_s8.h"

namespace espalier::bench {
namespace {

constexpr int64_t peak_steps = 2000;  // some microseconds
constexpr int pieces = 400;           // a thread: far more work than waking the pool costs

// A chain of dependent additions, one a cycle on every processor. Register operands, as some
// processors fold additions of constants.
void add_chain(int64_t blocks) {
  uint64_t sum = 0, one = 1;
#if defined(__x86_64__)
  for (int64_t i = 0; i < blocks; ++i)
    __asm__ volatile(".rept 100\n add %1, %0\n .endr" : "+r"(sum) : "r"(one));
#elif defined(__aarch64__)
  for (int64_t i = 0; i < blocks; ++i)
    __asm__ volatile(".rept 100\n add %0, %0, %1\n .endr" : "+r"(sum) : "r"(one));
#else
  for (int64_t i = 0; i < 100 * blocks; ++i) {
    sum += one;
    __asm__ volatile("" : "+r"(sum) : "r"(one));
  }
#endif
}

std::span<const KernelRow<Peak>> peak_rows(DType arithmetic) {
  return arithmetic == DType::s8     ? peak_s8_kernels()
         : arithmetic == DType::bf16 ? peak_bf16_kernels()
                                     : peak_f32_kernels();
}

// The best up to `isa`, which itself may add nothing to this arithmetic.
const KernelRow<Peak>& peak_row(DType arithmetic, Isa isa) {
  const auto rows = peak_rows(arithmetic);
  return *std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.isa <= isa; });
}

int64_t run_peak(const PeakLoop& loop, int64_t steps) {
  const float factor = loop.arithmetic == DType::f32 ? 1e-9f : 1.0f;
  float sink = 0;
  return peak_row(loop.arithmetic, loop.isa).run(factor, steps, &sink);
}

bool same_row_as_f32(DType arithmetic, Isa isa) {
  return arithmetic != DType::f32 && peak_row(arithmetic, isa).run == peak_row(DType::f32, isa).run;
}

std::vector<int> thread_counts() {
  return num_threads() > 1 ? std::vector{1, num_threads()} : std::vector{1};
}

double best(const Timing& timing) { return summarise(timing.wall).least; }

// Clock and peaks take turns, so that their ratio holds whatever the clock does meanwhile.
void measure_peaks(HardwareProfile& profile, int samples) {
  constexpr int64_t blocks = 200;
  std::vector<std::function<void()>> candidates = {[] { add_chain(blocks); }};
  std::vector<PeakLoop> loops;
  for (DType arithmetic : arithmetics)
    for (const auto& row : peak_rows(arithmetic))
      for (int threads : thread_counts())
        if (isa_allowed(row.isa) && !same_row_as_f32(arithmetic, row.isa))
          loops.push_back({arithmetic, row.isa, threads});
  candidates.insert(candidates.end(), loops.begin(), loops.end());
  const auto timings = measure(candidates, {.sample_seconds = 1e-3, .samples = samples});
  profile.clock_ghz = 1e-9 * 100 * blocks / best(timings[0]);
  for (size_t i = 0; i < loops.size(); ++i) {
    const auto& [arithmetic, isa, threads] = loops[i];
    const double rate = 1e-9 * loops[i].operations() / best(timings[i + 1]);
    profile.peaks.push_back(
        {arithmetic, isa, threads, rate, rate / (2 * profile.clock_ghz * threads)});
  }
}

// Copies between two buffers a thread, `bytes` of them all together, so often that waking the pool
// does not count.
struct CopyLoop {
  CopyLoop(int thread_count, int64_t bytes)
      : threads(thread_count),
        length(bytes / 2 / thread_count / 64 * 64),
        repeats(std::max<int64_t>(1, (int64_t{1} << (thread_count > 1 ? 27 : 20)) / length)),
        buffer(static_cast<size_t>(2 * length * thread_count), 1) {}

  void operator()() {
    parallel_for(threads, 1, [&](int64_t begin, int64_t) {
      char* from = buffer.data() + 2 * length * begin;
      for (int64_t i = 0; i < repeats; ++i) {
        std::memcpy(from + length, from, static_cast<size_t>(length));
        __asm__ volatile("" ::: "memory");  // every copy counts
      }
    });
  }
  double moved() const { return 2.0 * static_cast<double>(length * repeats * threads); }

  int threads;
  int64_t length, repeats;
  std::vector<char> buffer;
};

CopyRate measure_copy(const std::string& level, int threads, int64_t bytes, int samples) {
  CopyLoop loop(threads, bytes);
  const std::function<void()> candidate[] = {[&] { loop(); }};
  const auto timing = measure(candidate, {.sample_seconds = 2e-3, .samples = samples});
  return {level, threads, bytes, 1e-9 * loop.moved() / best(timing[0])};
}

// Half a cache, so that nothing else evicts the buffers; four times the last cache for memory.
void measure_copies(HardwareProfile& profile, int samples) {
  for (int threads : thread_counts()) {
    int64_t last = int64_t{8} << 20;
    for (const CacheLevel& cache : profile.caches) {
      const int64_t copies = std::max(1, threads / cache.shared_by);
      profile.copies.push_back(measure_copy("L" + std::to_string(cache.level), threads,
                                            cache.bytes / 2 * copies, samples));
      last = cache.bytes * copies;
    }
    profile.copies.push_back(
        measure_copy("memory", threads, std::min(4 * last, int64_t{256} << 20), samples));
  }
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// How many processors a list such as "0-3,8" names.
int count_processors(const std::string& list) {
  int count = 0;
  for (size_t at = 0; at < list.size();) {
    char* end = nullptr;
    const long first = std::strtol(list.c_str() + at, &end, 10);
    const long last = *end == '-' ? std::strtol(end + 1, &end, 10) : first;
    count += static_cast<int>(last - first + 1);
    at = static_cast<size_t>(end - list.c_str()) + 1;
  }
  return std::max(1, count);
}

}  // namespace

const char* arithmetic_name(DType arithmetic) {
  return arithmetic == DType::s8 ? "int8" : dtype_name(arithmetic);
}

// The first of a type and thread count is of the best instruction set.
const PeakRate* best_peak(const HardwareProfile& profile, DType arithmetic, int threads) {
  for (const PeakRate& peak : profile.peaks)
    if (peak.arithmetic == arithmetic && peak.threads == threads) return &peak;
  return arithmetic == DType::bf16 ? best_peak(profile, DType::f32, threads) : nullptr;
}

double PeakLoop::operations() const {
  const int64_t runs = threads > 1 ? threads * pieces : 1;
  return static_cast<double>(run_peak(*this, 1) * peak_steps * runs);
}

void PeakLoop::operator()() const {
  if (threads == 1) {
    run_peak(*this, peak_steps);
    return;
  }
  parallel_for(threads * pieces, 1, [&](int64_t, int64_t) { run_peak(*this, peak_steps); });
}

std::vector<CacheLevel> data_caches() {
  std::vector<CacheLevel> out;
  for (int index = 0;; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const std::string size = first_line(folder + "size");
    if (size.empty()) return out;
    if (first_line(folder + "type") == "Instruction") continue;
    const int64_t unit = size.back() == 'M' ? 1 << 20 : size.back() == 'K' ? 1 << 10 : 1;
    out.push_back({std::atoi(first_line(folder + "level").c_str()), std::atoll(size.c_str()) * unit,
                   count_processors(first_line(folder + "shared_cpu_list"))});
  }
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0)
      return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown";
}

HardwareProfile measure_hardware(int samples) {
  HardwareProfile profile;
  profile.cpu = cpu_name();
  profile.processors = default_num_threads();
  profile.caches = data_caches();
  measure_peaks(profile, samples);
  measure_copies(profile, samples / 3);
  return profile;
}

HardwareProfile measure_hardware_within(double seconds) {
  constexpr double samples_a_second = usual_samples / 3.0;
  return measure_hardware(
      std::clamp(static_cast<int>(seconds * samples_a_second), 9, usual_samples));
}

}  // namespace espalier::bench
