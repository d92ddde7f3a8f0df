#include "compress/compress_config.h"

#include <algorithm>
#include <cstdio>

#include "compress/observers/factory.h"
#include "engine/error.h"
#include "engine/io/json_fields.h"
#include "engine/random.h"

namespace espalier {

template <class Visit>
void visit_fields(CompressConfig& c, Visit&& visit) {
  visit("model", c.model);
  visit("output", c.output);
  visit("dtype", c.dtype);
  visit("calibration_images", c.calibration_images);
  visit("seed", c.seed);
  visit("report", c.report);
  visit("target", c.target);
  visit("hardware_profile", c.hardware_profile);
  visit("levels", c.levels);
  visit("points", c.points);
  visit("max_megabytes", c.max_megabytes);
  visit("max_milliseconds", c.max_milliseconds);
  visit("min_accuracy", c.min_accuracy);
  visit("observer", c.observer);
  visit("equalize", c.equalize);
  visit("equalize_alpha", c.equalize_alpha);
  visit("bias_correction", c.bias_correction);
  visit("keep", c.keep);
  visit("kept_dtype", c.kept_dtype);
  visit("group_size", c.group_size);
  visit("sparsity", c.sparsity);
  visit("sparsity_of", c.sparsity_of);
  visit("importance", c.importance);
  visit("ranking", c.ranking);
  visit("dimensions", c.dimensions);
  visit("latency_batch", c.latency_batch);
  visit("width_step", c.width_step);
  visit("width_steps", c.width_steps);
  visit("schedule", c.schedule);
  visit("prune_steps", c.prune_steps);
  visit("prune_share", c.prune_share);
  visit("unstructured", c.unstructured);
  visit("pattern", c.pattern);
  visit("rewind", c.rewind);
  visit("recover_epochs", c.recover_epochs);
  visit("qat_epochs", c.qat_epochs);
  visit("recover_learning_rate", c.recover_learning_rate);
  visit("qat_learning_rate", c.qat_learning_rate);
  visit("learn_scales", c.learn_scales);
  visit("distillation", c.distillation);
  visit("temperature", c.temperature);
  visit("precision", c.precision);
  visit("max_steps", c.max_steps);
  visit("validation", c.validation);
}

namespace {

void require(bool holds, const char* field, const std::string& got, const std::string& expected) {
  if (!holds) argument_error("CompressConfig", field, got, expected, "");
}

void require_one_of(const char* field, const std::string& got,
                    std::initializer_list<const char*> names) {
  std::string expected;
  bool found = false;
  for (const char* name : names) {
    found |= got == name;
    expected += (expected.empty() ? "" : " or ") + std::string(name);
  }
  require(found, field, "'" + got + "'", expected);
}

void check_budget(const CompressConfig& c) {
  require(c.max_megabytes >= 0, "max_megabytes", std::to_string(c.max_megabytes), "0 or more");
  require(c.max_milliseconds >= 0, "max_milliseconds", std::to_string(c.max_milliseconds),
          "0 or more");
  require(c.min_accuracy >= 0 && c.min_accuracy <= 100, "min_accuracy",
          std::to_string(c.min_accuracy), "0 to 100 percent");
}

// Where measurements decide, nothing else may.
void check_target(const CompressConfig& c) {
  if (c.target.empty())
    return require(c.hardware_profile.empty(), "hardware_profile", "'" + c.hardware_profile + "'",
                   "none without a target");
  require_one_of("target", c.target, {"speed", "size", "accuracy", "balanced"});
  for (double level : c.levels)
    require(level > 0 && level < 1, "levels", std::to_string(level), "above 0 and below 1");
  require(c.points >= 2 && c.points <= 100, "points", std::to_string(c.points), "2 to 100");
  require(c.dtype == "int8", "dtype", "'" + c.dtype + "'", "no choice where a target chooses");
  require(!prunes(c), "sparsity", std::to_string(c.sparsity), "0 where a target chooses");
  require(c.schedule == "one-shot", "schedule", "'" + c.schedule + "'",
          "'one-shot' where a target chooses");
  require(c.sparsity_of == "parameters", "sparsity_of", "'" + c.sparsity_of + "'",
          "'parameters' where a target chooses");
  require(c.qat_epochs == 0, "qat_epochs", std::to_string(c.qat_epochs),
          "0 where a target chooses");
  require(c.keep.empty(), "keep", "parts", "none where a target chooses");
}

void check_rounding(const CompressConfig& c) {
  observer_factory(c.observer);
  require(c.equalize_alpha >= 0 && c.equalize_alpha <= 1, "equalize_alpha",
          std::to_string(c.equalize_alpha), "0 to 1");
  require(c.keep.empty() || c.dtype == "int8", "keep", c.keep.empty() ? "" : c.keep.front(),
          "none where the dtype is not int8");
  require_one_of("kept_dtype", c.kept_dtype, {"f32", "f16", "bf16"});
  require(c.kept_dtype == "f32" || c.qat_epochs == 0, "kept_dtype", "'" + c.kept_dtype + "'",
          "f32 where qat_epochs train what is kept");
}

void check_pruning(const CompressConfig& c) {
  require(c.sparsity >= 0 && c.sparsity < 1, "sparsity", std::to_string(c.sparsity), "0 up to 1");
  require_one_of("sparsity_of", c.sparsity_of, {"parameters", "flops", "latency"});
  require(c.latency_batch >= 1 && c.latency_batch <= 4096, "latency_batch",
          std::to_string(c.latency_batch), "1 to 4096");
  require_one_of("importance", c.importance, {"l1", "l2", "taylor", "random"});
  require_one_of("ranking", c.ranking, {"global", "layer"});
  for (const std::string& name : c.dimensions) group_kind_of(name);
  require(c.width_step >= 0, "width_step", std::to_string(c.width_step), "0 (kernels') or more");
  const bool resolved = c.width_steps.size() == std::size(group_kinds);
  require(resolved || c.width_steps.empty(), "width_steps", std::to_string(c.width_steps.size()),
          "one for each kind of channel, or none");
  for (int64_t step : c.width_steps)
    require(step >= 1, "width_steps", std::to_string(step), "1 or more");
  require_one_of("schedule", c.schedule, {"one-shot", "cubic"});
  require(c.prune_steps >= 1 && c.prune_steps <= 1000, "prune_steps", std::to_string(c.prune_steps),
          "1 to 1000");
  require(c.prune_share > 0 && c.prune_share < 1, "prune_share", std::to_string(c.prune_share),
          "between 0 and 1");
  const bool coded = c.dtype == "w8" || c.dtype == "w4" || c.dtype == "dynamic";
  require(!coded || c.sparsity_of != "latency", "sparsity_of", "'latency'",
          "another for " + c.dtype + ", whose latency is not measured while it prunes");
  const bool gradual = c.schedule == "cubic";
  require(!gradual || c.sparsity > 0, "sparsity", std::to_string(c.sparsity),
          "above 0 where the schedule is cubic");
  require(!gradual || c.recover_epochs > 0, "recover_epochs", std::to_string(c.recover_epochs),
          "1 or more where the schedule is cubic: it prunes while they train");
}

// Options of smaller matrices say nothing of zeros.
void check_zeros(const CompressConfig& c) {
  if (!c.pattern.empty()) {
    require_one_of("pattern", c.pattern, {"2:4"});
    require(!c.unstructured, "unstructured", "true", "false where a pattern says which zeros");
    require(c.sparsity == 0, "sparsity", std::to_string(c.sparsity),
            "0 where a pattern says how many weights go");
    require(c.schedule == "one-shot", "schedule", "'" + c.schedule + "'",
            "'one-shot' with a pattern");
  }
  require(!c.unstructured || c.sparsity > 0, "sparsity", std::to_string(c.sparsity),
          "above 0 where unstructured weights go");
  if (!leaves_zeros(c)) return;
  const CompressConfig usual;
  require(c.sparsity_of == usual.sparsity_of, "sparsity_of", "'" + c.sparsity_of + "'",
          "no choice where weights become zeros: it is of them");
  require(c.importance == "l1" || c.importance == "l2", "importance", "'" + c.importance + "'",
          "no choice where weights become zeros: the smallest go");
  require(c.dimensions.empty(), "dimensions", c.dimensions.empty() ? "" : c.dimensions.front(),
          "none where weights become zeros");
  require(c.width_step == 0, "width_step", std::to_string(c.width_step),
          "0 where weights become zeros");
  require(c.qat_epochs == 0, "qat_epochs", std::to_string(c.qat_epochs),
          "0 where weights became zeros, which it would not keep");
}

void check_rewinding(const CompressConfig& c) {
  if (c.rewind.empty()) return;
  require(prunes(c), "rewind", "'" + c.rewind + "'", "none where nothing is pruned");
  require(c.recover_epochs > 0, "recover_epochs", std::to_string(c.recover_epochs),
          "1 or more after a rewind: what is left has to learn again");
  require(c.schedule == "one-shot", "schedule", "'" + c.schedule + "'",
          "'one-shot' before a rewind");
}

void check_weight_codes(const CompressConfig& c) {
  const std::string size = std::to_string(c.group_size);
  require(c.group_size >= 0, "group_size", size, "0 (the dtype's own) or more");
  require(c.group_size == 0 || c.dtype == "w8" || c.dtype == "w4", "group_size", size,
          "0 where the dtype is neither w8 nor w4");
  require(c.dtype != "w4" || c.group_size % 2 == 0, "group_size", size, "an even number for w4");
}

// All that --dtype int8 alone takes.
void check_int8_options(const CompressConfig& c) {
  if (c.dtype == "int8") return;
  const CompressConfig usual;
  require(c.observer == usual.observer, "observer", "'" + c.observer + "'",
          "'" + usual.observer + "' where no ranges are observed");
  require(!c.equalize, "equalize", "true", "false where the dtype is not int8");
  require(!c.bias_correction, "bias_correction", "true", "false where the dtype is not int8");
}

void check_training(const CompressConfig& c) {
  require(c.recover_epochs >= 0, "recover_epochs", std::to_string(c.recover_epochs),
          "0 (none) or more");
  require(c.recover_epochs == 0 || prunes(c) || !c.target.empty(), "recover_epochs",
          std::to_string(c.recover_epochs), "0 where nothing is pruned: set sparsity");
  require(c.qat_epochs >= 0, "qat_epochs", std::to_string(c.qat_epochs), "0 (none) or more");
  require(c.qat_epochs == 0 || c.dtype == "int8", "qat_epochs", std::to_string(c.qat_epochs),
          "0 where the dtype is not int8");
  require(c.qat_epochs > 0 || !c.learn_scales, "learn_scales", "true",
          "false where no qat_epochs train them");
  require(c.qat_epochs == 0 || !c.bias_correction, "bias_correction", "true",
          "false where qat_epochs train the biases anyway");
  require_one_of("precision", c.precision, {"f32", "bf16"});  // it trains on the CPU alone
  CompressConfig trained = c;
  trained.recover_epochs = trained.qat_epochs = 1;
  validate(recover_config(trained, {}));
  validate(qat_config(trained, {}));
}

// What both trainings have in common.
TrainConfig training_of(const CompressConfig& c, const ViTConfig& model, double learning_rate) {
  TrainConfig config;
  config.model = model;
  config.learning_rate = learning_rate;
  config.final_learning_rate = learning_rate / 100;
  config.warmup_steps = 100;
  config.weight_decay = 0.05;
  config.distillation = c.distillation;
  config.temperature = c.temperature;
  config.precision = c.precision;
  config.max_steps = c.max_steps;
  config.validation = c.validation;
  config.seed = c.seed;
  config.augmentation.erase = 0.3;
  config.augmentation.mixup = 0.2;
  return config;
}

WidthSteps steps_of(const CompressConfig& c) {
  WidthSteps steps = kernel_steps();
  for (auto& [kind, step] : steps)
    if (c.width_step > 0) step = c.width_step;
  for (size_t i = 0; i < c.width_steps.size(); ++i) steps[group_kinds[i]] = c.width_steps[i];
  return steps;
}

}  // namespace

void validate(const CompressConfig& c) {
  require(!c.model.empty(), "model", "empty", "the path of an fp32 model");
  require(!c.output.empty() || c.report, "output", "empty", "the path of the file to write");
  require_one_of("dtype", c.dtype, {"int8", "f16", "bf16", "w8", "w4", "dynamic", "f32"});
  require(c.dtype != "f32" || prunes(c), "dtype", "'f32'",
          "another, or a sparsity above 0: without either nothing would change");
  require(c.calibration_images >= 1, "calibration_images", std::to_string(c.calibration_images),
          "at least 1");
  check_budget(c);
  check_target(c);
  check_rounding(c);
  check_weight_codes(c);
  check_int8_options(c);
  check_zeros(c);
  check_pruning(c);
  check_rewinding(c);
  check_training(c);
}

void resolve(CompressConfig& c) {
  const WidthSteps steps = steps_of(c);
  c.width_steps.clear();
  for (GroupKind kind : group_kinds)
    c.width_steps.push_back(steps.count(kind) ? steps.at(kind) : 1);
}

std::string to_json(const CompressConfig& config) { return fields_to_json(config).dump(2); }

CompressConfig compress_config_from_json(const std::string& text, const std::string& origin) {
  return config_from_json<CompressConfig>(text, origin);
}

std::string pruning_text(const CompressConfig& c) {
  if (!prunes(c)) return "";
  char number[32];
  std::snprintf(number, sizeof number, "%g %%", 100 * c.sparsity);
  const std::string share = number;
  std::string text = share + " of " + c.sparsity_of + " pruned by " + c.importance;
  if (c.unstructured)
    text = share + " of weights zero by magnitude (a control: no kernel here skips zeros)";
  if (!c.pattern.empty())
    text =
        c.pattern + " zeros by magnitude (faster on GPUs with sparse tensor cores only, not here)";
  if (c.schedule == "cubic") text += " in " + std::to_string(c.prune_steps) + " cubic steps";
  if (!c.rewind.empty())
    text += ", rewound to " + (c.rewind == "init" ? "initial weights" : c.rewind);
  return text;
}

CompressConfig without_pruning(CompressConfig config) {
  const CompressConfig usual;
  config.sparsity = 0;
  config.schedule = usual.schedule;
  config.unstructured = false;
  config.pattern.clear();
  config.rewind.clear();
  config.recover_epochs = 0;
  return config;
}

CompressConfig without_rounding(CompressConfig config) {
  const CompressConfig usual;
  config.dtype = "f32";
  config.observer = usual.observer;
  config.equalize = false;
  config.bias_correction = false;
  config.keep.clear();
  config.group_size = 0;
  config.qat_epochs = 0;
  config.learn_scales = false;
  return config;
}

ImageDataset calibration_of(const CompressConfig& c, const ImageDataset& train) {
  const ImageDataset seen = training_split(train, c.validation).first;
  Generator generator(c.seed);
  std::vector<int64_t> chosen = permutation(seen.size(), generator);
  chosen.resize(static_cast<size_t>(std::min(c.calibration_images, seen.size())));
  return seen.subset(chosen);
}

DType stored_in(const CompressConfig& c) {
  const std::string& floats = c.dtype == "int8" ? c.kept_dtype : c.dtype;
  return floats == "f16" ? DType::f16 : floats == "bf16" ? DType::bf16 : DType::f32;
}

std::optional<WeightOnlyOptions> weight_codes_of(const CompressConfig& c) {
  if (c.dtype != "w8" && c.dtype != "w4" && c.dtype != "dynamic") return std::nullopt;
  const bool four = c.dtype == "w4";
  return WeightOnlyOptions{four ? 4 : 8, c.group_size == 0 && four ? 32 : c.group_size};
}

QuantizeOptions quantization_of(const CompressConfig& c) {
  QuantizeOptions how;
  how.observer = c.observer;
  if (c.equalize) how.equalize = c.equalize_alpha;
  how.bias_correction = c.bias_correction;
  how.keep = KeptLayers(c.keep.begin(), c.keep.end());
  return how;
}

PruneOptions pruning_of(const CompressConfig& c) {
  PruneOptions options;
  options.importance = c.importance;
  options.target = c.sparsity_of;
  options.seed = c.seed;
  SelectionOptions& selection = options.selection;
  selection.fraction = c.sparsity;
  selection.ranking = c.ranking == "layer" ? Ranking::per_layer : Ranking::global;
  selection.steps = steps_of(c);
  if (!c.dimensions.empty()) selection.kinds.clear();
  for (const std::string& name : c.dimensions) selection.kinds.push_back(group_kind_of(name));
  return options;
}

bool prunes(const CompressConfig& c) { return c.sparsity > 0 || leaves_zeros(c); }
bool leaves_zeros(const CompressConfig& c) { return c.unstructured || !c.pattern.empty(); }

SparseOptions zeros_of(const CompressConfig& c) {
  SparseOptions options;
  if (!c.pattern.empty()) options.pattern = SparsePattern::two_of_four;
  if (c.pattern.empty()) options.fraction = c.sparsity;
  options.ranking = c.ranking == "layer" ? Ranking::per_layer : Ranking::global;
  return options;
}

GradualOptions schedule_of(const CompressConfig& c) {
  return {.times = c.prune_steps, .share = c.prune_share};
}

TrainConfig recover_config(const CompressConfig& c, const ViTConfig& model) {
  TrainConfig config = training_of(c, model, c.recover_learning_rate);
  config.optimizer = "muon";
  config.epochs = c.recover_epochs;
  return config;
}

TrainConfig qat_config(const CompressConfig& c, const ViTConfig& model) {
  TrainConfig config = training_of(c, model, c.qat_learning_rate);
  config.epochs = c.qat_epochs;
  return config;
}

}  // namespace espalier
