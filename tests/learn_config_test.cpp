// The settings of continual learning: through JSON and back, and what is refused.
#include "cl/learn_config.h"

#include <doctest/doctest.h>

#include "engine/error.h"

using namespace espalier;

TEST_CASE("a configuration of learning goes through JSON") {
  LearnConfig config;
  config.method = "naive";
  config.stream.tasks = 2;
  config.augmentation.flip = 0.5;
  config.memory_samples = 7;
  config.lambda = 3;
  config.gamma = 0.5;
  config.temperature = 4;
  config.latent_stage = 2;
  config.latent_coding = "s4";
  CHECK(to_json(learn_config_from_json(to_json(config), "text")) == to_json(config));
}

TEST_CASE("a Vision Transformer's latents are what its head reads, unless told otherwise") {
  CHECK(named_learn_config("mlp").latent_stage == 1);
  CHECK(named_learn_config("vit-tiny").latent_stage == 4);
}

TEST_CASE("a configuration of learning refuses what makes no run") {
  const auto refused = [](const char* text) {
    CHECK_THROWS_AS(learn_config_from_json(text, "text"), Error);
  };
  refused(R"({"method": "luck"})");
  refused(R"({"selection": "best"})");
  refused(R"({"network": "vit"})");
  refused(R"({"learning_rate": 0})");
  refused(R"({"memory_bytes": 0})");
  refused(R"({"stream": {"tasks": 0}})");
  refused(R"({"lambda": -1})");
  refused(R"({"gamma": 1.5})");
  refused(R"({"temperature": 0})");
  refused(R"({"adapter_width": 0})");
  refused(R"({"compress": "int8", "method": "adapter", "network": "vit-tiny"})");
  refused(R"({"prompts_chosen": 11})");
  refused(R"({"prompt_length": 0})");
  refused(R"({"latent_stage": 0})");
  refused(R"({"latent_coding": "u8"})");
  refused(R"({"river": 1})");
  refused(R"({"hidden": []})");
  refused(R"({"hidden": [0]})");
  refused(R"({"compress": "int3"})");
  refused(R"({"sparsity": 0.5})");
  refused(R"({"control": true})");
  refused(R"({"compress_at_end": true})");
  refused(R"({"augmentation": {"mixup": 0.2}})");
  refused(R"({"compress": "int8", "method": "ncm", "network": "vit-tiny"})");
  refused(R"({"compress": "int8", "sparsity": 1.0})");
  refused(R"({"compress": "int8", "seconds": 0})");
  refused(R"({"compress": "int8", "sparsity": 0.5, "sparsity_of": "joy"})");
  refused(R"({"compress": "auto", "network": "vit-tiny"})");
  refused(R"({"compress": "int8", "target": "size", "network": "vit-tiny"})");
  refused(R"({"compress": "int8", "max_megabytes": 1, "network": "vit-tiny"})");
  refused(R"({"compress": "int8", "method": "lora", "network": "vit-tiny"})");
  refused(R"({"compress": "int8", "method": "multimodal", "network": "vit-tiny"})");
}
