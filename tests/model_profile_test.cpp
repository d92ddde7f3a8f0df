// The profile of a compiled model.
#include "bench/model_profile.h"

#include <nlohmann/json.hpp>
#include <set>

#include "compress/convert.h"
#include "engine/parallel.h"
#include "nn/int8_graph.h"
#include "tests/kernel_test.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

VisionTransformer small_model() {
  Generator generator(1);
  return VisionTransformer({.image_size = 8,
                            .classes = 3,
                            .conv_channels = {4},
                            .width = 8,
                            .depth = 2,
                            .heads = 2,
                            .mlp_hidden = 12},
                           generator);
}

// Measured once, beside one thread on two: it takes seconds.
const bench::HardwareProfile& machine() {
  static const bench::HardwareProfile measured = [] {
    const int before = num_threads();
    set_num_threads(2);
    bench::HardwareProfile profile = bench::measure_hardware();
    set_num_threads(before);
    return profile;
  }();
  return measured;
}

}  // namespace

TEST_CASE("a profile counts every step of every run, with the graph's own arithmetic") {
  const VisionTransformer model = small_model();
  const int before = num_threads();
  for (const auto& load : {std::pair<int64_t, int>{1, 1}, {1, 2}, {40, 1}, {40, 2}}) {
    const int64_t batch = load.first;
    const int threads = load.second;
    INFO(batch, " images, ", threads, " threads");
    const bench::ModelProfile profile =
        bench::profile_model(model.config, {capture(model)}, batch, threads, 0.01, &machine());
    CHECK(profile.runs >= 3);
    CHECK(profile.workers == (batch == 1 ? 1 : threads));
    const int64_t chunks = profile.steps.front().calls / profile.runs;
    CHECK(chunks >= 1);
    for (const bench::StepProfile& step : profile.steps) {
      INFO(step.info.layer, " ", step.info.operation);
      CHECK(step.calls == chunks * profile.runs);
      CHECK(step.seconds > 0);
      CHECK(step.median > 0);
      CHECK(step.median * static_cast<double>(profile.runs) <= 2 * step.seconds);
      CHECK(step.flops == static_cast<double>(profile.runs * step.info.cost(batch).flops));
      CHECK(step.info.cost(batch).bytes() > 0);
      CHECK(step.bytes >= static_cast<double>(profile.runs * step.info.cost(batch).bytes()));
      CHECK(!step.bound.empty());
    }
    // Steps follow each other on each worker, inside the runs.
    CHECK(profile.step_seconds() <= profile.wall_seconds * profile.workers);
    const std::string table = bench::profile_table(profile);
    CHECK(table.find("blocks.1.mlp.fc2") != std::string::npos);
    CHECK(table.find("all layers") != std::string::npos);
    CHECK(draw(bench::profile_roofline(profile)).width() > 0);
  }
  set_num_threads(before);
}

TEST_CASE("integer steps are held against the integer roof, and what stays fp32 against fp32's") {
  const VisionTransformer model = small_model();
  const Graph fp32 = capture(model);
  Generator generator(2);
  const Tensor images = normal(model.config.batch_shape(8), generator);
  const int before = num_threads();
  // Slow enough to be held by its arithmetic on any machine.
  const Isa limit = isa_limit();
  limit_isa(Isa::scalar);
  // Its roofs are measured within that limit.
  const bench::ModelProfile profile = bench::profile_model(
      model.config, {int8_graph(fp32, convert_int8(fp32, images))}, 8, 1, 0.01);
  limit_isa(limit);
  set_num_threads(before);
  int held_by_arithmetic = 0;
  for (const bench::StepProfile& step : profile.steps) {
    INFO(step.info.layer, " ", step.info.operation);
    const std::string& operation = step.info.operation;
    const bool products = operation == "linear_s8" || operation == "add_linear_s8" ||
                          operation == "attention_s8" || operation == "conv2d_s8";
    const bool codes = products || operation == "max_pool2d";
    CHECK((step.info.arithmetic == DType::s8) == codes);
    const auto* peak = bench::best_peak(profile.hardware, step.info.arithmetic, 1);
    CHECK(step.roof <= 1e9 * peak->gops);
    if (step.bound != bench::arithmetic_name(step.info.arithmetic)) continue;
    held_by_arithmetic += products;
    CHECK(step.roof == 1e9 * peak->gops);
  }
  CHECK(held_by_arithmetic > 0);
  CHECK(contains(bench::profile_table(profile), "roofs of arithmetic: f32"));
  CHECK(contains(bench::profile_table(profile), ", int8 "));
  const auto json = nlohmann::json::parse(bench::profile_json(profile));
  CHECK(json.at("ceilings").size() == 2);
}

// "Trace Event Format" (Google, 2016), section "Complete Events".
TEST_CASE("a trace has the fields that the Trace Event Format names") {
  const VisionTransformer model = small_model();
  const int before = num_threads();
  const bench::ModelProfile profile =
      bench::profile_model(model.config, {capture(model)}, 4, 1, 0.01, &machine());
  set_num_threads(before);
  const auto trace = nlohmann::json::parse(bench::trace_json(profile));
  CHECK(trace.at("displayTimeUnit") == "ms");
  const auto& events = trace.at("traceEvents");
  CHECK(events.size() >= profile.steps.size());
  double end = 0;
  std::set<std::string> layers;
  for (const auto& event : events) {
    CHECK(event.at("ph") == "X");
    CHECK(event.at("name").is_string());
    CHECK(event.at("cat") == "plan");
    CHECK(event.at("pid").is_number_integer());
    CHECK(event.at("tid").is_number_integer());
    CHECK(event.at("dur").get<double>() >= 0);
    CHECK(event.at("ts").get<double>() >= end);  // one thread: steps follow each other
    end = event.at("ts").get<double>() + event.at("dur").get<double>();
    layers.insert(event.at("args").at("layer").get<std::string>());
  }
  CHECK(layers.count("blocks.0.attention.qkv") == 1);
}

TEST_CASE("a profile tells the processor's counters a run, or why there are none") {
  bench::ModelProfile profile;
  profile.runs = 4;
  profile.threads = profile.workers = 1;
  profile.counters_absent = "this machine has none";
  CHECK(contains(bench::profile_table(profile), "counters: none; this machine has none\n"));
  CHECK(contains(bench::profile_json(profile), "\"absent\": \"this machine has none\""));
  profile.counters = {4e6, 8e6, 12e3};
  CHECK(contains(bench::profile_table(profile),
                 "1.000 M cycles and 2.000 M instructions a run (2.00 a "
                 "cycle), 3.0 k misses"));
  CHECK(contains(bench::profile_json(profile), "\"instructions\": 2000000.0"));
}

}  // namespace espalier::test
