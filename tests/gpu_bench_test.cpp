// Benchmarks on a GPU: what they verify, and what they time.
#include "bench/gpu_kernels.h"
#include "bench/gpu_model.h"
#include "engine/capture.h"
#include "nn/trainer.h"
#include "tests/device_test.h"

namespace espalier::test {
namespace {

const bench::GpuFacts& facts() {
  static const bench::GpuFacts found = bench::gpu_facts(Device::cuda());
  return found;
}

// Results of a case of contenders by hand: each is off by so many bounds.
std::vector<bench::GpuKernelResult> results_of(const bench::GpuFacts& on,
                                               const std::vector<double>& errors) {
  const bench::GpuCase made{"made", [&](const bench::GpuFacts&) {
                              std::vector<bench::GpuContender> contenders;
                              for (const double error : errors)
                                contenders.push_back({"one", [] {}, [error] { return error; }});
                              return std::pair{bench::Work{1, 1, 1}, contenders};
                            }};
  std::vector<bench::GpuKernelResult> results;
  run_gpu_case(on, made, {.sample_seconds = 1e-6, .samples = 3},
               [&](const bench::GpuKernelResult& result) { results.push_back(result); });
  return results;
}

ViTConfig small_model() {
  ViTConfig config = named_config("vit-tiny");
  config.width = 16, config.mlp_hidden = 16, config.depth = 1;
  config.conv_channels = {4};
  return config;
}

}  // namespace

TEST_CASE("benchmarks name the GPU and what they lack") {
  if (cuda_device_count() == 0) return;
  CHECK(facts().name == device_name(Device::cuda()));
  CHECK(facts().emulated == (facts().name == "emulated GPU"));
  CHECK(facts().cublas.empty() != facts().problem.empty());
  CHECK((facts().heading().find(bench::emulated_note) != std::string::npos) == facts().emulated);
  CHECK(gpu_gemm() == GpuGemm::own);
}

TEST_CASE("every kernel benchmark of a GPU is verified, and none timed on an emulated one") {
  if (cuda_device_count() == 0 || !facts().emulated) return;
  size_t count = 0;
  run_gpu_benchmarks(facts(), "", {}, [&](const bench::GpuKernelResult& result) {
    INFO("kernel: ", result.name, " by ", result.way, ", off by ", result.error);
    CHECK(result.verified());
    CHECK(!result.seconds);
    CHECK(gpu_table_line(result).find("verified") != std::string::npos);
    ++count;
  });
  CHECK(count >= gpu_cases(facts()).size());
}

TEST_CASE("a benchmark of a GPU times what is right, and never what is wrong") {
  if (cuda_device_count() == 0) return;
  bench::GpuFacts real = facts();
  real.emulated = false;
  const auto right = results_of(real, {0.5, 1});
  REQUIRE(right.size() == 2);
  CHECK(right[0].seconds);
  CHECK(right[1].seconds);
  CHECK(right[0].versus_baseline > 0);
  CHECK(right[1].versus_baseline == 0);
  const auto wrong = results_of(real, {0.5, 1.5});
  CHECK(wrong[0].seconds);
  CHECK(wrong[0].versus_baseline == 0);
  CHECK(!wrong[1].verified());
  CHECK(!wrong[1].seconds);
  CHECK(gpu_table_line(wrong[1]).find("WRONG") != std::string::npos);
  CHECK(!results_of(real, {std::nan("")})[0].verified());
}

TEST_CASE("a model and its step on a GPU are held against the CPU's before they are timed") {
  if (cuda_device_count() == 0 || !facts().emulated) return;
  TrainConfig config;
  config.model = small_model();
  config.batch_size = config.chunk_size = 4;
  const auto model = initial_model(config.model, 1);
  model->eval();
  const auto choices = static_cast<size_t>(facts().cublas.empty() ? 1 : 2);
  const Graph graph = capture(*model);
  const auto batches = measure_model_on_gpu(
      facts(), config.model, graph, {Precision::f32, Precision::f16, Precision::bf16}, 3, true, {});
  CHECK(batches.size() == 3 * choices);
  for (const bench::GpuModelTiming& timing : batches) {
    INFO("by ", timing.way, " in ", timing.precision, ": ", timing.difference, " of ",
         timing.tolerance);
    CHECK(timing.verified());
    CHECK(timing.difference > 0);
    CHECK(!timing.seconds);
  }
  // Operands in bf16 are rounded: that is what was asked for. In f16 less so.
  CHECK(batches.back().difference > 8 * batches.front().tolerance);
  CHECK(batches[choices].precision == std::string("f16"));
  CHECK(batches[choices].difference > batches.front().difference);
  CHECK(batches[choices].difference < batches.back().tolerance / 2);
  CHECK(batches.front().launch_graph);
  CHECK(!measure_model_on_gpu(facts(), config.model, graph, {Precision::f32}, 3, false, {})
             .front()
             .launch_graph);
  const auto steps = measure_step_on_gpu(facts(), config, {});
  CHECK(steps.size() == choices);
  for (const bench::GpuModelTiming& timing : steps) {
    INFO("by ", timing.way, ": ", timing.difference, " of ", timing.tolerance);
    CHECK(timing.verified());
    CHECK(timing.tolerance < 0.01);
    CHECK(!timing.seconds);
  }
}

}  // namespace espalier::test
