#include "compress/benchmark_models.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>

#include "compress/pruning/sparse.h"
#include "engine/error.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "nn/model_file.h"

namespace espalier {
namespace {

// A model that is ready to be timed.
struct Subject {
  LoadedModel loaded;
  Plan plan;
  Tensor images, logits;  // of the batch at hand

  void prepare(const ImageDataset& test, int64_t batch) {
    const int64_t held = std::min(batch, test.size());
    const Tensor pictures = normalized(slice(test.images, 0, 0, held), loaded.config);
    images = Tensor::empty(loaded.config.batch_shape(batch));
    // A batch larger than the test set begins again.
    const int64_t pixels = images.numel() / batch;
    for (int64_t i = 0; i < batch; ++i)
      std::copy_n(pictures.data<float>() + i % held * pixels, pixels,
                  images.data<float>() + i * pixels);
    logits = plan(images);
  }
};

Subject load(const std::string& path, int threads) {
  LoadedModel loaded = load_model(path);
  loaded.options.threads = threads;
  Plan plan = compile(loaded.graph, loaded.options);
  return {std::move(loaded), std::move(plan), {}, {}};
}

int64_t flops_of_an_image(const Graph& graph) {
  int64_t flops = 0;
  for (const Graph::Node& node : graph.nodes) flops += cost_of(graph, node, 1).flops;
  return flops;
}

std::vector<uint8_t> right_of(const Tensor& logits, const Tensor& labels) {
  const int64_t classes = logits.size(1);
  std::vector<uint8_t> right(static_cast<size_t>(logits.size(0)));
  for (size_t i = 0; i < right.size(); ++i) {
    const float* row = logits.data<float>() + static_cast<int64_t>(i) * classes;
    right[i] = std::max_element(row, row + classes) - row == labels.data<int64_t>()[i];
  }
  return right;
}

ModelMetrics describe(const std::string& path, const Subject& subject, const ImageDataset& test) {
  const LoadedModel& loaded = subject.loaded;
  ModelMetrics metrics;
  metrics.path = path;
  metrics.label = std::filesystem::path(path).stem();
  metrics.metadata = loaded.metadata;
  metrics.dtype = loaded.dtype;
  metrics.file_bytes = static_cast<int64_t>(std::filesystem::file_size(path));
  metrics.parameters = loaded.config.parameter_count();
  if (loaded.model) {
    const WeightCount count = count_weights(*loaded.model);
    metrics.zero_weights = static_cast<double>(count.zeros) / static_cast<double>(count.weights);
  }
  metrics.flops = flops_of_an_image(loaded.graph);
  const Plan::Memory memory = subject.plan.memory();
  metrics.memory_bytes = memory.activations + memory.weights;
  metrics.logits = logits_of(loaded.graph, loaded.config, test, loaded.options);
  metrics.evaluation = score(metrics.logits, test.labels);
  metrics.right = right_of(metrics.logits, test.labels);
  return metrics;
}

double joules_of_an_image(bench::EnergyCounter& counter, const std::function<void()>& run,
                          int64_t batch, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto passed = [start = Clock::now()] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  int64_t images = 0;
  counter.start();
  do {
    run();
    images += batch;
  } while (passed() < seconds);
  return counter.joules() / static_cast<double>(images);
}

void time_batch(std::vector<Subject>& subjects, const ImageDataset& test, int64_t batch,
                const BenchmarkOptions& options, int threads, std::vector<ModelMetrics>& metrics) {
  std::vector<std::function<void()>> candidates;
  for (Subject& subject : subjects) {
    subject.prepare(test, batch);
    candidates.push_back([&subject] { subject.plan.run(subject.images, subject.logits); });
  }
  const auto timings = bench::measure(candidates, options.measure);
  bench::EnergyCounter counter(options.energy_folder);
  for (size_t i = 0; i < subjects.size(); ++i) {
    ModelMetrics::Speed speed = {
        batch, bench::summarise(timings[i].seconds(threads)),
        bench::paired_ratio(timings[0].seconds(threads), timings[i].seconds(threads))};
    metrics[i].energy_absent = counter.absent();
    if (counter.absent().empty())
      speed.joules_per_image =
          joules_of_an_image(counter, candidates[i], batch, options.energy_seconds);
    metrics[i].speeds.push_back(speed);
  }
}

}  // namespace

std::vector<ModelMetrics> benchmark_models(std::span<const std::string> paths,
                                           const ImageDataset& test,
                                           const BenchmarkOptions& options) {
  constexpr const char* name = "benchmark_models";
  if (paths.empty()) argument_error(name, "paths", "none", "at least one model file", "");
  for (int64_t batch : options.batches)
    if (batch < 1) argument_error(name, "batches", std::to_string(batch), "1 or more", "");
  if (test.size() == 0) argument_error(name, "test", "no images", "at least one", "");
  const int threads = options.threads > 0 ? options.threads : num_threads();
  std::vector<Subject> subjects;
  std::vector<ModelMetrics> metrics;
  for (const std::string& path : paths) {
    subjects.push_back(load(path, threads));
    metrics.push_back(describe(path, subjects.back(), test));
  }
  for (int64_t batch : options.batches)
    time_batch(subjects, test, batch, options, threads, metrics);
  return metrics;
}

}  // namespace espalier
