#include "bench/model_timing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "bench/hardware.h"
#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/parallel.h"
#include "engine/plan.h"

namespace espalier::bench {
namespace {

// A plan differs from the module where it sums a residual inside a product of K terms, a chain of
// K + 2 roundings instead of the same in another order. Layer norms keep the stream's scale, so
// that the relative errors of the sums add up. So do those of the weights' rounding in each product
// that a logit passes, and in bf16 of what they are multiplied with.
double tolerance_of(const ViTConfig& config, DType weights, const std::vector<double>& logits) {
  const auto sums = static_cast<double>(2 * config.depth);
  const auto terms = static_cast<double>(std::max(config.width, config.mlp_hidden) + 2);
  double largest = 0;
  for (double logit : logits) largest = std::max(largest, std::abs(logit));
  const double rounding = weights == DType::bf16 ? 2 * 0x1p-9 : weights == DType::f16 ? 0x1p-11 : 0;
  const auto products = static_cast<double>(4 * config.depth + 2);
  return (sums * terms * std::numeric_limits<float>::epsilon() + products * rounding) * largest;
}

void verify(const ViTConfig& config, DType weights, const Tensor& expected, const Tensor& found,
            ModelTiming& timing) {
  const auto a = expected.to_vector(), b = found.to_vector();
  for (size_t i = 0; i < a.size(); ++i)
    timing.difference =
        std::max(timing.difference, std::isfinite(b[i]) ? std::abs(a[i] - b[i]) : HUGE_VAL);
  timing.tolerance = tolerance_of(config, weights, a);
}

Isa best_isa() {
  for (Isa isa : built_isas())
    if (isa_allowed(isa)) return isa;
  return Isa::scalar;
}

}  // namespace

ModelTiming measure_model(const VisionTransformer& model, DType weights, int64_t batch, int threads,
                          const MeasureOptions& options) {
  const NoGradGuard off;
  set_num_threads(threads);
  apply_isa_environment();
  const ViTConfig& config = model.config;
  const Graph graph = capture(model);
  Plan plan = compile(graph, {.threads = threads, .weights = weights});
  ModelTiming timing;
  timing.model = config.name;
  timing.dtype = dtype_name(weights);
  timing.batch = batch;
  timing.chunk = plan.chunk();
  timing.threads = threads;
  for (const Graph::Node& node : graph.nodes)
    timing.flops += static_cast<double>(cost_of(graph, node, batch).flops);
  Generator generator(1);
  const Tensor images = normal(config.batch_shape(batch), generator);
  const Tensor logits = plan(images);
  verify(config, weights, model(images), logits, timing);
  if (!timing.verified()) return timing;

  const PeakLoop peak{DType::f32, best_isa(), threads};
  const std::function<void()> candidates[] = {[&] { plan.run(images, logits); },
                                              [&] { model(images); }, [&] { peak(); }};
  const auto timings = measure(candidates, options);
  timing.plan = summarise(timings[0].seconds(threads));
  timing.module = summarise(timings[1].seconds(threads));
  timing.speed_up = paired_ratio(timings[1].seconds(threads), timings[0].seconds(threads));
  timing.peak = peak.operations() / summarise(timings[2].seconds(threads)).median;
  return timing;
}

std::string model_table_heading() {
  char line[160];
  std::snprintf(line, sizeof line, "%-12s %-5s %6s %4s %6s %11s %7s %10s %9s %9s %8s %9s\n",
                "model", "dtype", "batch", "thr", "chunk", "time (ms)", "spread", "images/s",
                "GFLOP/s", "floor ms", "x floor", "x module");
  return line;
}

std::string model_table_line(const ModelTiming& t) {
  char line[200];
  std::snprintf(line, sizeof line,
                "%-12s %-5s %6lld %4d %6lld %11.3f %6.1f%% %10.0f %9.1f %9.3f %7.2fx %8.2fx\n",
                t.model.c_str(), t.dtype.c_str(), static_cast<long long>(t.batch), t.threads,
                static_cast<long long>(t.chunk), 1e3 * t.plan.median, 100 * t.plan.spread(),
                static_cast<double>(t.batch) / t.plan.median, 1e-9 * t.flops / t.plan.median,
                1e3 * t.floor_seconds(), t.plan.median / t.floor_seconds(), t.speed_up);
  return line;
}

}  // namespace espalier::bench
