// Quantisation-aware training: what is trained is what is shipped, bit for bit.
#include "compress/qat.h"

#include <cmath>

#include "compress/convert.h"
#include "compress/observers/min_max.h"
#include "engine/dispatch.h"
#include "engine/ops/cross_entropy.h"
#include "engine/plan.h"
#include "nn/model_file.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"
#include "tests/small_training.h"

namespace espalier::test {
namespace {

Int8Scales scales_of(const VisionTransformer& model, const Tensor& images) {
  const Graph graph = capture(*copy_of(model));
  return choose_int8_scales(
      graph, calibrate(graph, images, [] { return std::make_unique<MinMaxObserver>(); }));
}

Tensor normal_images(int64_t count) { return random_tensor({count, 8, 8, 1}, 5, DType::f32); }

// A model that has learned the stripes in fp32, made once.
const VisionTransformer& trained_model() {
  static const std::unique_ptr<VisionTransformer> model = [] {
    const TemporaryFolder folder;
    TrainConfig config = small_run();
    config.max_steps = 30;
    Trainer trainer(config, stripes(320, 1), stripes(100, 2), new_run(folder, "run"));
    trainer.run();
    return copy_of(trainer.trained().model());
  }();
  return *model;
}

TrainerParts qat_parts(bool learn_scales) {
  const VisionTransformer& model = trained_model();
  const Int8Scales scales = scales_of(model, normalized(stripes(64, 3).images, model.config));
  return {.form = [&model, scales, learn_scales] {
    return std::make_unique<QatModel>(copy_of(model), scales,
                                      QatOptions{.learn_scales = learn_scales});
  }};
}

TrainConfig small_recovery() {
  TrainConfig config = small_run();
  config.max_steps = 12;
  config.learning_rate = 1e-3;
  config.warmup_steps = 1;
  config.model = trained_model().config;
  return config;
}

}  // namespace

TEST_CASE("logits in training are those of the saved int8 model, bit for bit") {
  const TemporaryFolder folder;
  Generator generator(1);
  const Tensor images = normal_images(9);
  const Isa before = isa_limit();
  for (const char* tokenizer : {"patch", "conv"})
    for (const char* pooling : {"class", "sequence"})
      for (bool learn_scales : {false, true}) {
        const VisionTransformer model(small_config(tokenizer, pooling), generator);
        QatModel qat(copy_of(model), scales_of(model, normal_images(40)), {learn_scales});
        for (const auto& [name, tensor] : qat.named_parameters())
          if (name.rfind("quantizer.", 0) == 0) tensor.fill_(0.93);
        qat.prepare();
        qat.save(folder.file("m"), {});
        const LoadedModel loaded = load_model(folder.file("m"));
        for (Isa isa : built_isas()) {
          if (!cpu_can_run(isa)) continue;
          limit_isa(isa);
          for (int threads : {1, 3}) {
            INFO(tokenizer, " ", pooling, " ", std::string(isa_name(isa)), ", ", threads);
            Plan plan = compile(loaded.graph, {.threads = threads});
            CHECK(qat.forward(images).to_vector() == plan(images).to_vector());
          }
        }
        limit_isa(before);
      }
}

TEST_CASE("logits of 512 images in training are those of the deployed plan, bit for bit") {
  Generator generator(4);
  const VisionTransformer model(small_config("conv", "sequence"), generator);
  QatModel qat(copy_of(model), scales_of(model, normal_images(40)), {.learn_scales = true});
  qat.prepare();
  const Tensor images = normal_images(512);
  const std::vector<double> deployed = compile(qat.deployed())(images).to_vector();
  CHECK(qat.forward(images).to_vector() == deployed);
  const PrecisionScope products(Precision::bf16);  // of what stands behind the rounding
  CHECK(qat.forward(images).to_vector() == deployed);
}

TEST_CASE("a learned scale that leaves the positive numbers stops the training by name") {
  Generator generator(1);
  const VisionTransformer model(small_config("patch", "class"), generator);
  QatModel qat(copy_of(model), scales_of(model, normal_images(8)), {.learn_scales = true});
  for (const auto& [name, tensor] : qat.named_parameters())
    if (name == "quantizer.stream.scale") tensor.fill_(0);
  CHECK_THROWS_WITH_AS(qat.prepare(), doctest::Contains("stream.scale is 0"), Error);
}

TEST_CASE("a training of another kind is not taken up") {
  const TemporaryFolder folder;
  TrainConfig config = small_recovery();
  config.max_steps = 2;
  const std::string run = new_run(folder, "run");
  Trainer(config, stripes(320, 1), stripes(10, 2), run, qat_parts(false)).run();
  Trainer plain(config, stripes(320, 1), stripes(10, 2), run);
  CHECK_THROWS_WITH_AS(plain.resume(), doctest::Contains("another kind of training"), Error);
}

TEST_CASE("every parameter of a model that learns to round has a gradient") {
  Generator generator(1);
  for (const char* pooling : {"class", "sequence"}) {
    const VisionTransformer model(small_config("conv", pooling), generator);
    QatModel qat(copy_of(model), scales_of(model, normal_images(40)), {.learn_scales = true});
    qat.prepare();
    const Tensor labels = Tensor::of<int64_t>({0, 1, 2, 3, 4, 0}, {6});
    backward(cross_entropy(qat.forward(normal_images(6)), labels));
    for (const auto& parameter : qat.named_parameters()) {
      INFO(parameter.first);
      REQUIRE(parameter.second.grad().defined());
      double largest = 0;
      for (double g : parameter.second.grad().to_vector()) largest = std::max(largest, std::abs(g));
      CHECK(std::isfinite(largest));
      CHECK(largest > 0);
    }
  }
}

TEST_CASE("a step against the gradient lowers the loss of the rounded model") {
  QatModel qat(
      copy_of(trained_model()),
      scales_of(trained_model(), normalized(stripes(64, 3).images, trained_model().config)));
  const ImageDataset data = stripes(64, 7);
  const Tensor images = normalized(data.images, trained_model().config);
  const auto loss = [&] {
    qat.prepare();
    return cross_entropy(qat.forward(images), data.labels);
  };
  const Tensor before = loss();
  backward(before);
  double squares = 0;
  for (const auto& [name, tensor] : qat.named_parameters())
    for (double g : tensor.grad().to_vector()) squares += g * g;
  // So far that a linear loss would fall by a tenth of itself.
  const double rate = 0.1 * before.item() / squares;
  for (const auto& [name, tensor] : qat.named_parameters())
    for (int64_t i = 0; i < tensor.numel(); ++i)
      tensor.data<float>()[i] -= static_cast<float>(rate) * tensor.grad().data<float>()[i];
  CHECK(loss().item() < before.item());
}

TEST_CASE("training with rounding learns, and gives the same bits on 1, 2, 3 and 8 threads") {
  check_thread_counts(small_recovery(), [] { return qat_parts(false); });
}

TEST_CASE("training with rounding that is broken off and resumed ends with the same bits") {
  check_resuming(small_recovery(), [] { return qat_parts(true); });
}

TEST_CASE("the best model of a training with rounding is in whole numbers, as good as reported") {
  const TemporaryFolder folder;
  Trainer trainer(small_recovery(), stripes(320, 1), stripes(100, 2), new_run(folder, "run"),
                  qat_parts(true));
  double best = -1;
  trainer.run({.epoch = [&](const EpochReport& r) {
    if (r.best) best = r.validation->accuracy();
  }});
  const LoadedModel loaded = load_model(trainer.best_checkpoint());
  CHECK(loaded.dtype == "int8");
  CHECK(evaluate(loaded.graph, loaded.config, stripes(100, 2)).accuracy() == best);
  // The averages of its last checkpoint hold scales beside the weights.
  CHECK_THROWS_WITH_AS(load_model(trainer.last_checkpoint()),
                       doctest::Contains("give best.safetensors beside it"), Error);
}

TEST_CASE("what makes no training with rounding is refused") {
  Generator generator(1);
  const VisionTransformer model(small_config("conv", "class"), generator);
  Int8Scales scales = scales_of(model, normal_images(8));
  QatModel unprepared(copy_of(model), scales);
  CHECK(contains(refusal_of([&] { unprepared.forward(normal_images(1)); }), "prepare()"));
  scales.scales.pop_back();
  CHECK(contains(refusal_of([&] { QatModel(copy_of(model), scales); }), "no 'blocks.1.mlp.fc1"));
}

}  // namespace espalier::test
