#include "cl/learn_config.h"

#include "cl/memory/selection.h"
#include "cl/methods/method.h"
#include "engine/error.h"
#include "nn/train_fields.h"

namespace espalier {
namespace {

void require(bool holds, const char* field, double got, const char* expected) {
  if (!holds) argument_error("LearnConfig", field, std::to_string(got), expected, "");
}

void require_one_of(const char* field, const std::string& got,
                    const std::vector<std::string>& names) {
  check_one_of("LearnConfig", field, got, names);
}

std::vector<std::string> network_names() {
  std::vector<std::string> names{"mlp"};
  for (std::string_view name : model_names()) names.emplace_back(name);
  return names;
}

void require_count(const char* field, int64_t got, int64_t least, int64_t most) {
  if (got >= least && got <= most) return;
  argument_error("LearnConfig", field, std::to_string(got),
                 std::to_string(least) + " to " + std::to_string(most), "");
}

}  // namespace

template <class Visit>
void visit_fields(StreamOptions& s, Visit&& visit) {
  visit("name", s.name);
  visit("tasks", s.tasks);
  visit("first_classes", s.first_classes);
  visit("task_incremental", s.task_incremental);
  visit("seed", s.seed);
  visit("blur", s.blur);
  visit("turn", s.turn);
}

template <class Visit>
void visit_fields(LearnConfig& c, Visit&& visit) {
  visit("stream", c.stream);
  visit("network", c.network);
  visit("hidden", c.hidden);
  visit("method", c.method);
  visit("optimizer", c.optimizer);
  visit("learning_rate", c.learning_rate);
  visit("momentum", c.momentum);
  visit("weight_decay", c.weight_decay);
  visit("clip_norm", c.clip_norm);
  visit("epochs", c.epochs);
  visit("first_epochs", c.first_epochs);
  visit("batch_size", c.batch_size);
  visit("max_steps", c.max_steps);
  visit("chunk_size", c.chunk_size);
  visit("memory_bytes", c.memory_bytes);
  visit("memory_samples", c.memory_samples);
  visit("coding", c.coding);
  visit("selection", c.selection);
  visit("replay_batch", c.replay_batch);
  visit("alpha", c.alpha);
  visit("beta", c.beta);
  visit("lambda", c.lambda);
  visit("gamma", c.gamma);
  visit("temperature", c.temperature);
  visit("lora_rank", c.lora_rank);
  visit("adapter_width", c.adapter_width);
  visit("prompt_pool", c.prompt_pool);
  visit("prompt_length", c.prompt_length);
  visit("prompts_chosen", c.prompts_chosen);
  visit("latent_stage", c.latent_stage);
  visit("latent_coding", c.latent_coding);
  visit("compress", c.compress);
  visit("target", c.target);
  visit("max_megabytes", c.max_megabytes);
  visit("max_milliseconds", c.max_milliseconds);
  visit("sparsity", c.sparsity);
  visit("sparsity_of", c.sparsity_of);
  visit("compress_at_end", c.compress_at_end);
  visit("recover_epochs", c.recover_epochs);
  visit("seconds", c.seconds);
  visit("control", c.control);
  visit("augmentation", c.augmentation);
  visit("held_out", c.held_out);
  visit("checkpoint_steps", c.checkpoint_steps);
  visit("seed", c.seed);
}

std::vector<std::string> artefact_dtypes() {
  return {"f32", "f16", "bf16", "int8", "w8", "w4", "dynamic"};
}

std::string why_no_artefact(const std::string& method) {
  for (const auto& [other, why] :
       {std::pair{"lora", "merge_lora() makes a model that compress takes"},
        std::pair{"adapter", "an artefact has no place for what it adds"},
        std::pair{"prompts", "an artefact has no place for what it adds"},
        std::pair{"ncm", "an artefact classifies by the head, which it does not train"},
        std::pair{"multimodal", "an artefact holds a Vision Transformer, without texts"},
        std::pair{"joint", "it learns all at once: compress what train makes"}})
    if (method == other) return why;
  return "";
}

LearnConfig named_learn_config(const std::string& network) {
  require_one_of("network", network, network_names());
  LearnConfig config;
  config.network = network;
  if (network == "mlp") return config;
  config.optimizer = "adamw";
  config.learning_rate = 1e-3;
  config.chunk_size = 16;
  // What the head reads: tokens take more bytes than the image that they come from.
  config.latent_stage = named_config(network).depth + 2;
  return config;
}

void validate(const LearnConfig& c) {
  require_one_of("stream.name", c.stream.name, stream_names());
  require_one_of("network", c.network, network_names());
  for (const int64_t width : c.hidden) require_count("hidden", width, 1, 1'000'000);
  if (c.hidden.empty()) argument_error("LearnConfig", "hidden", "none", "at least one width", "");
  require_one_of("method", c.method, method_names());
  require_one_of("optimizer", c.optimizer, {"sgd", "adamw"});
  require_one_of("coding", c.coding, {"u8", "f32"});
  require_one_of("latent_coding", c.latent_coding, {"s8", "s4", "f32"});
  require_one_of("selection", c.selection, selection_names());
  require_count("stream.tasks", c.stream.tasks, 1, 1000);
  require_count("stream.first_classes", c.stream.first_classes, 0, 1'000'000);
  require_count("epochs", c.epochs, 1, 100'000);
  require_count("first_epochs", c.first_epochs, 0, 100'000);
  require_count("batch_size", c.batch_size, 1, 65'536);
  require_count("max_steps", c.max_steps, 0, 1'000'000'000);
  require_count("chunk_size", c.chunk_size, 1, 65'536);
  require_count("memory_bytes", c.memory_bytes, 1, int64_t{1} << 40);
  require_count("memory_samples", c.memory_samples, 0, 100'000'000);
  require_count("replay_batch", c.replay_batch, 1, 65'536);
  require_count("lora_rank", c.lora_rank, 1, 4096);
  require_count("adapter_width", c.adapter_width, 1, 65'536);
  require_count("prompt_pool", c.prompt_pool, 1, 65'536);
  require_count("prompt_length", c.prompt_length, 1, 4096);
  require_count("prompts_chosen", c.prompts_chosen, 1, c.prompt_pool);
  require_count("latent_stage", c.latent_stage, 1, 1000);
  require_count("held_out", c.held_out, 0, 1'000'000'000);
  require_count("checkpoint_steps", c.checkpoint_steps, 1, 1'000'000'000);
  require(c.learning_rate > 0, "learning_rate", c.learning_rate, "more than 0");
  require(c.momentum >= 0 && c.momentum < 1, "momentum", c.momentum, "0 to below 1");
  require(c.weight_decay >= 0, "weight_decay", c.weight_decay, "at least 0");
  require(c.clip_norm >= 0, "clip_norm", c.clip_norm, "at least 0");
  require(c.alpha >= 0, "alpha", c.alpha, "at least 0");
  require(c.beta >= 0, "beta", c.beta, "at least 0");
  require(c.lambda >= 0, "lambda", c.lambda, "at least 0");
  require(c.gamma >= 0 && c.gamma <= 1, "gamma", c.gamma, "0 to 1");
  require(c.temperature > 0, "temperature", c.temperature, "more than 0");
  require(c.sparsity >= 0 && c.sparsity < 1, "sparsity", c.sparsity, "0 to below 1");
  require_one_of("sparsity_of", c.sparsity_of, {"parameters", "flops"});
  require_count("recover_epochs", c.recover_epochs, 0, 100'000);
  require(c.seconds > 0 && c.seconds <= 600, "seconds", c.seconds, "more than 0, at most 600");
  std::vector<std::string> forms = artefact_dtypes();
  forms.insert(forms.begin(), {"off", "auto"});
  require(c.max_megabytes >= 0, "max_megabytes", c.max_megabytes, "0 (none) or more");
  require(c.max_milliseconds >= 0, "max_milliseconds", c.max_milliseconds, "0 (none) or more");
  if (c.compress == "auto")
    require_one_of("target", c.target, {"speed", "size", "accuracy", "balanced"});
  else if (!c.target.empty() || c.max_megabytes > 0 || c.max_milliseconds > 0)
    argument_error("LearnConfig", "compress", "'" + c.compress + "' with a target or a budget",
                   "'auto'", "a dtype that is given leaves nothing to choose");
  require_one_of("compress", c.compress, forms);
  if (const std::string why = why_no_artefact(c.method); !why.empty() && c.compress != "off")
    argument_error("LearnConfig", "compress", "'" + c.compress + "'",
                   "'off' with method '" + c.method + "'", why);
  if (c.compress == "off" && c.compress_at_end)
    argument_error("LearnConfig", "compress_at_end", "true", "false where compress is off", "");
  if (c.augmentation.mixes_in(0))
    argument_error("LearnConfig", "augmentation", "with mixup or cutmix", "neither of them",
                   "they mix the new images with each other's classes");
  if (c.control && c.compress == "off")
    argument_error("LearnConfig", "control", "true", "false where compress is off", "");
  if (c.compress == "off" && c.sparsity > 0)
    argument_error("LearnConfig", "sparsity", std::to_string(c.sparsity), "0 where compress is off",
                   "compress \"f32\" prunes and rounds nothing");
  require(c.stream.blur >= 0 && c.stream.blur < 1, "stream.blur", c.stream.blur, "0 to below 1");
  require(c.stream.turn >= 0 && c.stream.turn <= 360, "stream.turn", c.stream.turn, "0 to 360");
  validate(c.augmentation);
}

std::string to_json(const LearnConfig& config) { return fields_to_json(config).dump(2); }

LearnConfig learn_config_from_json(const std::string& text, const std::string& origin) {
  return config_from_json<LearnConfig>(text, origin);
}

}  // namespace espalier
