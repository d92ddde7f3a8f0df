// What a compression can be asked for, and what makes no sense together.
#include "compress/compress_config.h"

#include <set>

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

// Images of a pixel each, which is its number.
ImageDataset numbered_pixels(int64_t count) {
  ImageDataset data{
      Tensor::empty({count, 1, 1, 1}, DType::u8), Tensor::zeros({count}, DType::s64), {"all"}};
  for (int64_t i = 0; i < count; ++i) data.images.data<uint8_t>()[i] = static_cast<uint8_t>(i);
  return data;
}

std::set<double> numbers_of(const ImageDataset& data) {
  const std::vector<double> numbers = data.images.to_vector();
  return {numbers.begin(), numbers.end()};
}

}  // namespace

TEST_CASE("compression: nothing is calibrated on what judges") {
  const ImageDataset train = numbered_pixels(100);
  CompressConfig config = sensible();
  config.validation = 60;
  const auto [seen, judging] = training_split(train, config.validation);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    config.seed = seed;
    config.calibration_images = 64;  // more than are left
    CHECK(numbers_of(calibration_of(config, train)) == numbers_of(seen));
    config.calibration_images = 10;
    std::set<double> all = numbers_of(calibration_of(config, train));
    CHECK(all.size() == 10);
    all.merge(numbers_of(judging));
    CHECK(all.size() == 70);
  }
  config.validation = 100;
  CHECK(contains(refusal_of([&] { calibration_of(config, train); }),
                 "validation is 100; expected fewer than the 100 training images"));
}

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

TEST_CASE("compression: what zeros and tickets speed up stands beside them") {
  CompressConfig config = sensible();
  CHECK(pruning_text(config) == "50 % of parameters pruned by l2");
  config.unstructured = true;
  CHECK(contains(pruning_text(config), "50 % of weights zero by magnitude"));
  CHECK(contains(pruning_text(config), "no kernel here skips zeros"));
  config.unstructured = false;
  config.sparsity = 0;
  CHECK(pruning_text(config).empty());
  config.pattern = "2:4";
  config.rewind = "init";
  config.recover_epochs = 2;
  CHECK(contains(pruning_text(config), "sparse tensor cores only"));
  CHECK(contains(pruning_text(config), "rewound to initial weights"));
  const CompressConfig again = compress_config_from_json(to_json(config), "text");
  CHECK(zeros_of(again).pattern == SparsePattern::two_of_four);
  CHECK(to_json(again) == to_json(config));
}

TEST_CASE("compression: of its parts each makes sense alone") {
  const auto check_parts = [](auto change) {
    CompressConfig config = sensible();
    config.recover_epochs = 1;
    change(config);
    validate(config);
    CHECK_NOTHROW(validate(without_rounding(config)));
    CHECK_NOTHROW(validate(without_pruning(config)));
  };
  check_parts([](CompressConfig& c) {
    c.observer = "mse";
    c.equalize = true;
    c.keep = {"tokenizer"};
    c.qat_epochs = 1;
    c.learn_scales = true;
  });
  check_parts([](CompressConfig& c) {
    c.bias_correction = true;
    c.keep = {"tokenizer"};
    c.kept_dtype = "f16";
  });
  check_parts([](CompressConfig& c) {
    c.dtype = "w4";
    c.group_size = 16;
  });
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
  refused([](CompressConfig& c) { c.precision = "f16"; }, "expected f32 or bf16");
  refused([](CompressConfig& c) { c.schedule = "cubic"; }, "recover_epochs is 0");
  refused([](CompressConfig& c) { c.prune_steps = 0; }, "prune_steps is 0");
  refused([](CompressConfig& c) { c.prune_share = 1; }, "prune_share is 1");
  const auto needs_sparsity = [](CompressConfig& c) {
    c.schedule = "cubic";
    c.recover_epochs = 1;
    c.sparsity = 0;
  };
  refused(needs_sparsity, "sparsity is 0");
  refused([](CompressConfig& c) { c.recover_epochs = 1, c.sparsity = 0; }, "recover_epochs is 1");
  const auto zeros_refused = [&](auto change, const char* part) {
    refused(
        [&](CompressConfig& c) {
          c.unstructured = true;
          validate(c);
          change(c);
        },
        part);
  };
  zeros_refused([](CompressConfig& c) { c.sparsity = 0; }, "sparsity is 0");
  zeros_refused([](CompressConfig& c) { c.sparsity_of = "flops"; }, "sparsity_of is 'flops'");
  zeros_refused([](CompressConfig& c) { c.importance = "taylor"; }, "the smallest go");
  zeros_refused([](CompressConfig& c) { c.dimensions = {"heads"}; }, "dimensions is heads");
  zeros_refused([](CompressConfig& c) { c.width_step = 4; }, "width_step is 4");
  zeros_refused([](CompressConfig& c) { c.qat_epochs = 1; }, "would not keep");
  zeros_refused([](CompressConfig& c) { c.pattern = "2:4"; }, "unstructured is true");
  refused([](CompressConfig& c) { c.pattern = "2:4"; }, "sparsity is 0.5");
  refused([](CompressConfig& c) { c.pattern = "1:2"; }, "expected 2:4");
  const auto gradual_pattern = [](CompressConfig& c) {
    c.sparsity = 0;
    c.pattern = "2:4";
    c.recover_epochs = 1;
    validate(c);
    c.schedule = "cubic";
  };
  refused(gradual_pattern, "schedule is 'cubic'");
  refused([](CompressConfig& c) { c.rewind = "init"; }, "recover_epochs is 0");
  const auto nothing_to_rewind = [](CompressConfig& c) {
    c.rewind = "init";
    c.sparsity = 0;
  };
  refused(nothing_to_rewind, "where nothing is pruned");
  const auto gradual_rewind = [](CompressConfig& c) {
    c.rewind = "init";
    c.recover_epochs = 1;
    validate(c);
    c.schedule = "cubic";
  };
  refused(gradual_rewind, "before a rewind");
  for (const char* dtype : {"f16", "bf16", "f32", "w8", "dynamic"}) {
    const auto whole_numbers_only = [&](auto change, const char* part) {
      refused([&](CompressConfig& c) { c.dtype = dtype, change(c); }, part);
    };
    whole_numbers_only([](CompressConfig& c) { c.observer = "mse"; }, "observer is 'mse'");
    whole_numbers_only([](CompressConfig& c) { c.equalize = true; }, "equalize is true");
    whole_numbers_only([](CompressConfig& c) { c.bias_correction = true; },
                       "where the dtype is not");
  }
  refused([](CompressConfig& c) { c.learn_scales = true; }, "learn_scales is true");
  refused([](CompressConfig& c) { c.width_steps = {1, 2}; }, "width_steps is 2");
  refused([](CompressConfig& c) { c.width_steps = {1, 2, 3, 0, 5}; }, "width_steps is 0");
}

}  // namespace espalier::test
