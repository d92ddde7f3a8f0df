#include "bench/measure.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "bench/hardware.h"
#include "kernels/isa.h"
#include "tests/refusal.h"

namespace espalier::bench {
namespace {

using test::contains;

}  // namespace

TEST_CASE("a summary holds the quantiles of its samples") {
  const Summary five = summarise({5, 1, 4, 2, 3});
  CHECK(five.least == 1);
  CHECK(five.low == 2);
  CHECK(five.median == 3);
  CHECK(five.high == 4);
  CHECK(five.spread() == doctest::Approx(1.0 / 3));
  CHECK(summarise({1, 2}).median == 1.5);
  CHECK(summarise({7}).high == 7);
}

TEST_CASE("the paired ratio ignores what slows a whole round") {
  CHECK(paired_ratio({2, 20, 200, 2}, {1, 10, 100, 100}) == 2);
}

TEST_CASE("every candidate is sampled in every round") {
  int runs[2] = {0, 0};
  const std::function<void()> candidates[] = {[&] { ++runs[0]; }, [&] { ++runs[1]; }};
  const auto timings = measure(candidates, {.sample_seconds = 1e-6, .samples = 4});
  for (size_t i = 0; i < 2; ++i) {
    CHECK(timings[i].wall.size() == 4);
    CHECK(timings[i].cpu.size() == 4);
    CHECK(runs[i] >= 4 * timings[i].calls);
    for (double wall : timings[i].wall) CHECK(wall > 0);
  }
}

TEST_CASE("a sample ends with what finishes it, within its time") {
  int finished = 0;
  const std::function<void()> candidates[] = {[] {}};
  const auto finish = [&] {
    ++finished;
    usleep(1000);
  };
  const auto timings = measure(candidates, {.sample_seconds = 1e-6, .samples = 5}, finish);
  CHECK(finished > 5);  // those that find out how many calls make a sample, too
  for (const double wall : timings[0].wall)
    CHECK(wall * static_cast<double>(timings[0].calls) >= 1e-3);
}

TEST_CASE("twice the work takes about twice as long") {
  const PeakLoop once{DType::f32, Isa::scalar, 1};
  const std::function<void()> candidates[] = {[&] {
                                                once();
                                                once();
                                              },
                                              [&] { once(); }};
  const auto timings = measure(candidates, {.sample_seconds = 3e-4, .samples = 31});
  const double ratio = paired_ratio(timings[0].cpu, timings[1].cpu);
  CHECK(ratio > 1.5);
  CHECK(ratio < 2.7);
}

TEST_CASE("peak loops count their own arithmetic") {
  for (DType arithmetic : arithmetics)
    for (Isa isa : built_isas())
      if (isa_allowed(isa))
        CHECK(PeakLoop{arithmetic, isa, 2}.operations() >
              PeakLoop{arithmetic, isa, 1}.operations());
  for (const CacheLevel& cache : data_caches()) CHECK(cache.bytes >= 1024);
}

TEST_CASE(
    "a profile holds the ceilings of each data type, and bf16 has fp32's where it is widened") {
  HardwareProfile profile;
  profile.clock_ghz = 2;
  profile.peaks = {{DType::f32, Isa::avx2, 1, 100, 25},
                   {DType::f32, Isa::avx2, 2, 190, 24},
                   {DType::s8, Isa::avx2, 2, 300, 37.5}};
  CHECK(best_peak(profile, DType::f32, 1)->gops == 100);
  CHECK(best_peak(profile, DType::bf16, 2)->gops == 190);
  CHECK(best_peak(profile, DType::s8, 1) == nullptr);
  CHECK(best_peak(profile, DType::s8, 2)->gops == 300);
  CHECK(contains(hardware_table(profile), "int8 peak"));
  CHECK(contains(hardware_table(profile), "300.0         150.0           37.50"));
  CHECK(contains(hardware_table(profile), "bf16 peak: that of f32"));
  profile.peaks.push_back({DType::bf16, Isa::avx512bf16, 2, 400, 50});
  CHECK(best_peak(profile, DType::bf16, 2)->gops == 400);
}

}  // namespace espalier::bench
