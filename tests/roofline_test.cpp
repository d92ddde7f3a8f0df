#include "bench/roofline.h"

#include <doctest/doctest.h>

#include "tests/refusal.h"

namespace espalier::bench {
namespace {

using test::contains;

HardwareProfile machine() {
  HardwareProfile profile;
  profile.peaks = {{DType::f32, Isa::avx2, 1, 100, 0}, {DType::s8, Isa::avx2, 1, 200, 0}};
  profile.copies = {{"L1", 1, 1024, 50}, {"memory", 1, 1024, 10}, {"L1", 2, 1024, 90}};
  return profile;
}

// Where a roof of that name runs.
const Series* roof(const Chart& chart, const std::string& name) {
  for (const Series& series : chart.series)
    for (const std::string& label : series.labels)
      if (contains(label, name.c_str())) return &series;
  return nullptr;
}

}  // namespace

TEST_CASE("a roofline has a ceiling for each arithmetic of its points, and names it") {
  const Chart both =
      roofline(machine(), 1, {{"linear", DType::f32, 4, 80}, {"linear_s8", DType::s8, 40, 150}});
  REQUIRE(roof(both, "int8 200.0 Gop/s (avx2)"));
  CHECK(roof(both, "int8")->y == std::vector<double>{200, 200});
  CHECK(roof(both, "int8")->x.front() == 4);  // where L1 feeds it
  REQUIRE(roof(both, "f32 100.0 Gop/s (avx2)"));
  CHECK(roof(both, "f32")->y == std::vector<double>{100, 100});
  CHECK(roof(both, "f32")->x.front() == 2);
  CHECK(roof(both, "memory 10 GB/s")->y.back() == 200);
  CHECK(both.series.size() == 2 + 2 + 2);  // points, slopes of one thread, ceilings
  CHECK(draw(both).width() > 0);

  const Chart alone = roofline(machine(), 1, {{"linear", DType::bf16, 4, 80}});
  CHECK(!roof(alone, "int8"));
  CHECK(roof(alone, "f32"));  // bf16 has that of fp32 here
  CHECK(roof(alone, "memory 10 GB/s")->y.back() == 100);
}

TEST_CASE("a roofline of kernels takes the best row of each case") {
  const Timing second = {1, {1}, {1}};
  const Work work = {4e9, 1e9, 1};
  const auto result = [&](const char* name, const char* way, Isa isa, double error) {
    return KernelResult{name, way, DType::s8, isa, 1, error, work, second, 0, 0, 0};
  };
  const Chart chart = roofline(machine(), {result("gemm_s8/1", "avx2", Isa::avx2, 2),  // wrong
                                           result("gemm_s8/1", "neon", Isa::neon, 0),
                                           result("gemm_s8/1", "scalar", Isa::scalar, 0),
                                           result("gemm_s8/2", "avx2 + pack", Isa::avx2, 0)});
  CHECK(chart.series.front().name == "gemm_s8");
  CHECK(chart.series.front().x == std::vector<double>{4});
  CHECK(chart.series.front().y == std::vector<double>{4});
}

}  // namespace espalier::bench
