// What a compression can be asked for, and what makes no sense together.
#include "compress/compress_config.h"

#include "tests/refusal.h"

namespace espalier::test {
namespace {

CompressConfig sensible() {
  CompressConfig config;
  config.model = "a";
  config.output = "b";
  config.sparsity = 0.5;
  return config;
}

}  // namespace

TEST_CASE("compression: what depends on the machine is written down") {
  CompressConfig config = sensible();
  CHECK(pruning_of(config).selection.steps == kernel_steps());
  resolve(config);
  for (int64_t& step : config.width_steps) ++step;  // as if on another machine
  const CompressConfig again = compress_config_from_json(to_json(config), "text");
  CHECK(to_json(again) == to_json(config));
  const WidthSteps steps = pruning_of(again).selection.steps;
  for (const auto& [kind, step] : kernel_steps()) CHECK(steps.at(kind) == step + 1);
  config = sensible();
  config.width_step = 3;
  resolve(config);
  CHECK(pruning_of(config).selection.steps.at(GroupKind::hidden) == 3);
  CHECK(pruning_of(config).selection.steps.at(GroupKind::head) == 1);
}

TEST_CASE("compression: what makes no sense is refused") {
  const auto refused = [](auto change, const char* part) {
    CompressConfig config = sensible();
    validate(config);
    change(config);
    const std::string message = refusal_of([&] { validate(config); });
    INFO(message);
    CHECK(contains(message, part));
  };
  refused([](CompressConfig& c) { c.sparsity_of = "joy"; }, "or latency");
  refused([](CompressConfig& c) { c.latency_batch = 0; }, "latency_batch is 0");
  refused([](CompressConfig& c) { c.schedule = "slow"; }, "or cubic");
  refused([](CompressConfig& c) { c.schedule = "cubic"; }, "recover_epochs is 0");
  refused([](CompressConfig& c) { c.prune_steps = 0; }, "prune_steps is 0");
  refused([](CompressConfig& c) { c.prune_share = 1; }, "prune_share is 1");
  const auto needs_sparsity = [](CompressConfig& c) {
    c.schedule = "cubic";
    c.recover_epochs = 1;
    c.sparsity = 0;
  };
  refused(needs_sparsity, "sparsity is 0");
  refused([](CompressConfig& c) { c.width_steps = {1, 2}; }, "width_steps is 2");
  refused([](CompressConfig& c) { c.width_steps = {1, 2, 3, 0, 5}; }, "width_steps is 0");
}

}  // namespace espalier::test
