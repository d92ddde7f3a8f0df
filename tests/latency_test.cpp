#include "compress/latency.h"

#include "compress/pruning_latency.h"
#include "engine/parallel.h"
#include "tests/refusal.h"

namespace espalier::test {

TEST_CASE("latency: a smaller model takes a smaller share, and is timed once") {
  const ViTConfig whole = named_config("vit-fashion");
  ViTConfig smaller = whole;
  smaller.depth = 1;
  smaller.width = smaller.heads * 2;
  smaller.mlp_hidden = 4;
  smaller.conv_channels = {1};
  const int before = num_threads();
  set_num_threads(1);  // whose own time other programs do not lengthen
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    INFO(dtype);
    const auto latency = relative_latency(
        whole, {.batch = 1, .dtype = dtype, .measure = {.sample_seconds = 1e-4, .samples = 5}});
    const double share = latency(smaller);
    CHECK(share > 0);
    CHECK(share < 0.7);  // of a tenth of its work
    CHECK(latency(smaller) == share);
  }
  set_num_threads(before);
  CHECK(contains(refusal_of([&] { relative_latency(whole, {.batch = 0}); }), "batch is 0"));
  CHECK(contains(refusal_of([&] { relative_latency(whole, {.dtype = "u2"}); }), "'u2'"));
}

TEST_CASE("latency: models of several shares are timed in turns, and each step is judged") {
  Generator generator(1);
  VisionTransformer model(named_config("vit-tiny"), generator);
  model.eval();
  PruningLatencyOptions options{.shares = {0.3, 0.7}};
  options.latency.measure = {.sample_seconds = 1e-4, .samples = 5};
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<PrunedLatency> rows = pruning_latency(model, options);
  set_num_threads(before);
  REQUIRE(rows.size() == 3);
  const auto whole = static_cast<double>(rows[0].config.parameter_count());
  for (const PrunedLatency& row : rows) {
    CHECK(static_cast<double>(row.config.parameter_count()) <= (1 - row.share) * whole);
    CHECK(row.seconds.median > 0);
    CHECK(row.step.low <= row.step.high);
  }
  CHECK(rows[2].times_as_fast > 1);  // of a third of the work
  CHECK(!rows[0].falls());
  CHECK(PrunedLatency{.step = {0.8, 0.89, 0.9, 1.07}}.falls());
  CHECK(!PrunedLatency{.step = {0.8, 0.87, 0.9, 1.09}}.falls());
  const std::string table = pruning_latency_table({{}, {.share = 0.3, .step = {0, 0.9, 0.9, 0.9}}});
  CHECK(contains(table, "30 %"));
  CHECK(contains(table, "-10.0%    0.0%  yes"));
  for (const std::vector<double>& shares : {std::vector{0.5, 0.5}, std::vector{0.0}})
    CHECK(contains(refusal_of([&] { pruning_latency(model, {.shares = shares}); }), "ascend"));
}

}  // namespace espalier::test
