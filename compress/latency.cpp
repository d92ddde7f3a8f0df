#include "compress/latency.h"

#include <map>
#include <memory>

#include "compress/quantize_model.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/plan.h"
#include "nn/int8_graph.h"

namespace espalier {
namespace {

constexpr const char* name_of_latency = "latency";

DType weights_of(const std::string& dtype) {
  if (dtype == "f16") return DType::f16;
  if (dtype == "bf16") return DType::bf16;
  if (dtype != "f32" && dtype != "int8")
    argument_error(name_of_latency, "dtype", "'" + dtype + "'", "f32, f16, bf16 or int8", "");
  return DType::f32;
}

// A model that is ready to be timed.
class TimedModel {
 public:
  TimedModel(const ViTConfig& config, const LatencyOptions& options)
      : images_(images(config, options.batch)),
        plan_(compile(graph(config, options.dtype),
                      {.threads = num_threads(), .weights = weights_of(options.dtype)})),
        logits_(plan_(images_)) {}

  void run() { plan_.run(images_, logits_); }

 private:
  static Tensor images(const ViTConfig& config, int64_t batch) {
    Generator generator(1);
    return normal(config.batch_shape(batch), generator);
  }

  static Graph graph(const ViTConfig& config, const std::string& dtype) {
    Generator generator(2);
    VisionTransformer model(config, generator);
    model.eval();
    const Graph fp32 = capture(model);
    if (dtype != "int8") return fp32;
    const IntegerModel made = quantize_model(fp32, images(config, 4), {});
    return int8_graph(made.graph, made.parameters);
  }

  const Tensor images_;
  Plan plan_;
  Tensor logits_;
};

void check_batch(const LatencyOptions& options) {
  if (options.batch < 1)
    argument_error(name_of_latency, "batch", std::to_string(options.batch), "1 or more", "");
}

class RelativeLatency {
 public:
  RelativeLatency(const ViTConfig& original, const LatencyOptions& options)
      : options_(options), original_(original, options) {}

  double operator()(const ViTConfig& config) {
    const auto [found, fresh] = known_.emplace(to_json(config), 0);
    if (!fresh) return found->second;
    const NoGradGuard off;
    TimedModel smaller(config, options_);
    const std::function<void()> candidates[] = {[&] { smaller.run(); }, [&] { original_.run(); }};
    const auto timings = bench::measure(candidates, options_.measure);
    const int threads = num_threads();
    return found->second =
               bench::paired_ratio(timings[0].seconds(threads), timings[1].seconds(threads));
  }

 private:
  const LatencyOptions options_;
  TimedModel original_;
  std::map<std::string, double> known_;
};

}  // namespace

std::vector<bench::Timing> latencies(std::span<const ViTConfig> configs,
                                     const LatencyOptions& options) {
  check_batch(options);
  const NoGradGuard off;
  std::vector<std::unique_ptr<TimedModel>> subjects;
  std::vector<std::function<void()>> candidates;
  for (const ViTConfig& config : configs) {
    subjects.push_back(std::make_unique<TimedModel>(config, options));
    candidates.push_back([subject = subjects.back().get()] { subject->run(); });
  }
  return bench::measure(candidates, options.measure);
}

std::function<double(const ViTConfig& config)> relative_latency(const ViTConfig& original,
                                                                const LatencyOptions& options) {
  check_batch(options);
  const NoGradGuard off;
  const auto latency = std::make_shared<RelativeLatency>(original, options);
  return [latency](const ViTConfig& config) { return (*latency)(config); };
}

}  // namespace espalier
