#include "bench/kernels.h"

#include <doctest/doctest.h>

#include "engine/io/json.h"
#include "kernels/isa.h"

namespace espalier::bench {
namespace {

constexpr MeasureOptions quick = {.sample_seconds = 1e-5, .samples = 3, .budget_seconds = 0.1};

std::vector<KernelResult> run(const std::string& filter) {
  std::vector<KernelResult> results;
  run_kernel_benchmarks({filter, quick}, [&](const KernelResult& r) { results.push_back(r); });
  return results;
}

}  // namespace

TEST_CASE("an oracle finds what is missing, wrong or NaN") {
  float values[] = {1, 2};
  Oracle oracle;
  oracle.expect(&values[0], 1, 0.5);
  oracle.expect(&values[1], 2, 0.5);
  CHECK(oracle.error() == 0);
  values[1] = 2.25f;
  CHECK(oracle.error() == 0.5);
  oracle.spoil();
  CHECK(std::isinf(oracle.error()));
  values[1] = 2;  // the first is still missing
  CHECK(std::isinf(oracle.error()));
}

TEST_CASE("an oracle of whole numbers accepts no other, and finds what was not written") {
  Values<int16_t> sum = {5, 7}, before = {5, 0};
  Oracle oracle;
  oracle.expect_exactly(sum, before, sum);
  CHECK(oracle.error() == 0);
  oracle.spoil();
  CHECK(sum == before);
  CHECK(std::isinf(oracle.error()));
  sum = {5, 7};
  CHECK(oracle.error() == 0);
  sum[1] = 8;
  CHECK(std::isinf(oracle.error()));
}

TEST_CASE("a wrong row is reported and not timed") {
  float result = 0;
  const auto writing = [&](float value) {
    return [&result, value](int64_t, int64_t) { result = value; };
  };
  const auto make = [&] {
    KernelCase c = {{1, 1, 1}, 1, 1, {}, {}};
    c.contenders = {{"right", Isa::scalar, writing(3), Contender::Kind::whole},
                    {"wrong", Isa::scalar, writing(4), Contender::Kind::whole},
                    {"baseline", Isa::scalar, writing(3), Contender::Kind::baseline}};
    c.oracle.expect(&result, 3, 0.1);
    return c;
  };
  int seen = 0;
  run_kernel_case({"case", make}, quick, [&](const KernelResult& r) {
    ++seen;
    CHECK(r.verified() == (r.way != "wrong"));
    CHECK(r.timing.wall.empty() == (r.way == "wrong"));
    CHECK((r.versus_baseline > 0) == (r.way == "right"));
    CHECK((kernel_table_line(r).find("WRONG") != std::string::npos) == (r.way == "wrong"));
  });
  CHECK(seen >= 3);
}

TEST_CASE("every kernel's rows agree with the reference before they are timed") {
  for (const char* filter :
       {"gemm_f32/49x128x128", "gemm_bf16/49x128x128", "gemm_half_bf16/49x128x128",
        "gemm_half_f16/49x128x128", "gemm_s8_codes/49", "gemm_s8_sum/49", "gemm_s8_gelu/50",
        "attention_s8/T49", "layer_norm_s8/50x", "attention_forward/T49", "attention_backward/T49",
        "softmax", "layer_norm_backward", "conv2d_forward", "conv2d_weight_gradient/28x28x1-64",
        "gelu_tanh", "gelu_backward"}) {
    const auto results = run(filter);
    CHECK(results.size() >= 1);
    for (const KernelResult& r : results) {
      INFO(r.name, " ", r.way, ": ", r.error);
      CHECK(r.verified());
      CHECK(r.of_peak > 0);
    }
  }
}

TEST_CASE("a kernel is held against the peak of its own arithmetic") {
  for (const auto& [name, arithmetic] : {std::pair("gemm_f32/50x128x384", DType::f32),
                                         {"gemm_bf16/50x128x384", DType::bf16},
                                         {"gemm_half_bf16/50x128x384", DType::bf16},
                                         {"gemm_half_f16/50x128x384", DType::f32},
                                         {"gemm_s8_codes/50x", DType::s8},
                                         {"gemm_s8_sum/50x", DType::s8},
                                         {"gemm_s8_gelu/50x", DType::s8},
                                         {"attention_s8/T50", DType::s8},
                                         {"layer_norm_s8/50x", DType::f32}})
    for (const KernelResult& r : run(name)) {
      INFO(r.name, " ", r.way);
      CHECK(r.arithmetic == arithmetic);
    }
}

TEST_CASE("results are written as Google Benchmark does") {
  const auto results = run("softmax_forward");
  const Json json = parse_json(kernel_results_json(results), "results");
  CHECK(json["context"]["num_cpus"].get<int>() >= 1);
  REQUIRE(json["benchmarks"].size() == results.size());
  for (const Json& entry : json["benchmarks"]) {
    CHECK(entry["run_type"] == "iteration");
    CHECK(entry["time_unit"] == "ns");
    CHECK(entry["iterations"].get<int64_t>() >= 3);
    CHECK(entry["real_time"].get<double>() > 0);
    CHECK(entry["cpu_time"].get<double>() > 0);
    CHECK(entry["Gop/s"].get<double>() > 0);
  }
}

}  // namespace espalier::bench
