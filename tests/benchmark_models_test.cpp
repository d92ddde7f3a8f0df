#include "compress/benchmark_models.h"

#include <algorithm>
#include <filesystem>

#include "engine/io/file.h"
#include "nn/model_file.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {

TEST_CASE("models are measured on their files, each against the first") {
  const TemporaryFolder folder;
  Generator generator(1);
  const Int8Model m(small_config("conv", "class"), generator);
  const std::vector<std::string> paths = {folder.file("fp32"), folder.file("f16"),
                                          folder.file("int8")};
  save_model(paths[0], m.model);
  save_model(paths[1], m.model, {}, DType::f16);
  save_int8_model(paths[2], m.model.config, m.graph, m.parameters);
  const ImageDataset test = noise(20);
  const auto metrics = benchmark_models(
      paths, test,
      {.batches = {1, 33}, .threads = 1, .measure = {.sample_seconds = 1e-5, .samples = 3}});
  REQUIRE(metrics.size() == 3);
  const char* dtypes[] = {"f32", "f16", "int8"};
  for (size_t i = 0; i < 3; ++i) {
    INFO(dtypes[i]);
    CHECK(metrics[i].dtype == dtypes[i]);
    CHECK(metrics[i].label == std::filesystem::path(paths[i]).stem());
    CHECK(metrics[i].metadata.count("espalier.config") == 1);
    CHECK(std::count(metrics[i].right.begin(), metrics[i].right.end(), 1) ==
          metrics[i].evaluation.correct);
    CHECK(metrics[i].file_bytes == static_cast<int64_t>(std::filesystem::file_size(paths[i])));
    CHECK(metrics[i].parameters == m.model.parameter_count());
    CHECK(metrics[i].zero_weights.has_value() == (metrics[i].dtype != "int8"));
    const LoadedModel loaded = load_model(paths[i]);
    int64_t flops = 0;
    for (const Graph::Node& node : loaded.graph.nodes)
      flops += cost_of(loaded.graph, node, 1).flops;
    CHECK(metrics[i].flops == flops);
    const Plan::Memory memory =
        compile(loaded.graph, {.threads = 1, .weights = loaded.options.weights}).memory();
    CHECK(metrics[i].memory_bytes == memory.activations + memory.weights);
    CHECK(metrics[i].evaluation.correct ==
          evaluate(loaded.graph, loaded.config, test, loaded.options).correct);
    REQUIRE(metrics[i].speeds.size() == 2);
    CHECK(metrics[i].speeds[1].batch == 33);
    for (const ModelMetrics::Speed& speed : metrics[i].speeds) {
      CHECK(speed.seconds.median > 0);
      CHECK(speed.images_per_second() ==
            doctest::Approx(static_cast<double>(speed.batch) / speed.seconds.median));
      CHECK(speed.times_as_fast > 0);
    }
  }
  for (const ModelMetrics::Speed& speed : metrics[0].speeds) CHECK(speed.times_as_fast == 1);
}

TEST_CASE("energy is counted where there is a counter, and its absence explained") {
  const TemporaryFolder folder;
  Generator generator(1);
  const std::vector<std::string> paths = {folder.file("model")};
  save_model(paths[0], VisionTransformer(small_config("conv", "class"), generator));
  BenchmarkOptions options = {.batches = {1},
                              .threads = 1,
                              .measure = {.sample_seconds = 1e-5, .samples = 3},
                              .energy_folder = folder.path(),
                              .energy_seconds = 0.01};
  const auto without = benchmark_models(paths, noise(2), options)[0];
  CHECK(!without.speeds[0].joules_per_image);
  CHECK(contains(without.energy_absent, "no energy counter"));
  std::filesystem::create_directory(folder.file("intel-rapl:0"));
  for (const auto& [name, text] :
       {std::pair("name", "package-0"), {"energy_uj", "5"}, {"max_energy_range_uj", "9"}})
    write_atomically(folder.file("intel-rapl:0/") + name, std::string(text));
  const auto counted = benchmark_models(paths, noise(2), options)[0];
  CHECK(counted.energy_absent.empty());
  CHECK(counted.speeds[0].joules_per_image == 0.0);  // the file stands still
}

TEST_CASE("a comparison without models, or of empty batches, is refused") {
  CHECK(contains(refusal_of([] { benchmark_models({}, noise(2)); }), "paths is none"));
  const std::vector<std::string> paths = {"absent.safetensors"};
  CHECK(contains(refusal_of([&] { benchmark_models(paths, noise(2), {.batches = {0}}); }),
                 "batches is 0"));
  CHECK(contains(refusal_of([&] { benchmark_models(paths, noise(0)); }), "no images"));
  CHECK_THROWS_WITH_AS(benchmark_models(paths, noise(2)), doctest::Contains("absent.safetensors"),
                       Error);
}

}  // namespace espalier::test
