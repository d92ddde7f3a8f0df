#include "app/serve/job_fields.h"

#include "app/model_forms.h"
#include "cl/learn_config.h"
#include "cl/memory/selection.h"
#include "cl/methods/method.h"
#include "compress/compress_config.h"
#include "compress/observers/factory.h"
#include "engine/io/json.h"
#include "engine/parallel.h"
#include "nn/train_config.h"

namespace espalier::app {
namespace {

using Type = JobField::Type;

struct Range {
  double minimum, maximum, step;
};

JobField integer(const char* name, const char* option, const char* label, const char* help,
                 int64_t standard, Range range) {
  return {.name = name,
          .type = Type::integer,
          .option = option,
          .label = label,
          .help = help,
          .standard = std::to_string(standard),
          .minimum = range.minimum,
          .maximum = range.maximum,
          .step = range.step};
}

JobField number(const char* name, const char* option, const char* label, const char* help,
                double standard, Range range) {
  JobField field = integer(name, option, label, help, 0, range);
  field.type = Type::number;
  field.standard = Json(standard).dump();
  return field;
}

JobField choice(const char* name, const char* option, const char* label, const char* help,
                const std::string& standard, std::vector<std::string> choices) {
  return {.name = name,
          .type = Type::choice,
          .option = option,
          .label = label,
          .help = help,
          .standard = Json(standard).dump(),
          .choices = std::move(choices)};
}

JobField model(const char* help, const char* accepts) {
  return {.name = "model",
          .type = Type::model,
          .option = "",
          .label = "Model",
          .help = help,
          .required = true,
          .accepts = accepts};
}

JobField advanced(JobField field) {
  field.advanced = true;
  return field;
}

JobField in(JobField field, const char* unit) {
  field.unit = unit;
  return field;
}

JobField threads() {
  const int most = default_num_threads();
  return advanced(integer("threads", "--threads", "Threads", "Threads that the job works on", most,
                          {1, static_cast<double>(most), 1}));
}

JobField seed(const char* option) {
  return advanced(
      integer("seed", option, "Seed", "Of everything that is drawn at random", 1, {0, 1e9, 1}));
}

std::vector<std::string> built_in() {
  std::vector<std::string> names;
  for (std::string_view name : model_names()) names.emplace_back(name);
  return names;
}

// Where built-in models differ in a setting, its default goes by the model.
template <class Read>
JobField by_model(JobField field, Read&& read) {
  field.by = "model";
  for (const std::string& name : built_in())
    field.standards[name] = Json(read(named_train_config(name))).dump();
  return field;
}

JobForm train_form() {
  const TrainConfig c = named_train_config("vit-tiny");
  const auto setting = [](JobField field, auto member) {
    return by_model(std::move(field), [member](const TrainConfig& each) { return each.*member; });
  };
  const auto augmenting = [](JobField field, auto member) {
    return by_model(std::move(field),
                    [member](const TrainConfig& each) { return each.augmentation.*member; });
  };
  return {
      "train",
      "Train a model on Fashion-MNIST from random weights",
      {choice("model", "", "Model", "vit-tiny takes a minute or two, the others hours", "vit-tiny",
              built_in()),
       setting(integer("epochs", "--set epochs", "Epochs", "Passes over the training images",
                       c.epochs, {1, 500, 1}),
               &TrainConfig::epochs),
       setting(integer("batch_size", "--set batch_size", "Batch", "Images of a step", c.batch_size,
                       {8, 1024, 8}),
               &TrainConfig::batch_size),
       setting(number("learning_rate", "--set learning_rate", "Learning rate",
                      "After the warm-up; it then falls along a cosine", c.learning_rate,
                      {1e-5, 0.1, 1e-4}),
               &TrainConfig::learning_rate),
       choice("precision", "--precision", "Precision",
              "Of matrix products: bf16 is faster on processors with AMX or vdpbf16ps", c.precision,
              {"f32", "bf16"}),
       advanced(setting(choice("optimizer", "--set optimizer", "Optimiser",
                               "What makes steps of gradients: muon, whose steps of matrices "
                               "are orthogonal, needs fewer than adamw",
                               c.optimizer, {"adamw", "muon", "sgd"}),
                        &TrainConfig::optimizer)),
       advanced(
           setting(number("weight_decay", "--set weight_decay", "Weight decay",
                          "How much weights shrink at each step", c.weight_decay, {0, 1, 0.01}),
                   &TrainConfig::weight_decay)),
       advanced(setting(
           integer("warmup_steps", "--set warmup_steps", "Warm-up",
                   "Steps until the learning rate is reached", c.warmup_steps, {0, 10'000, 50}),
           &TrainConfig::warmup_steps)),
       advanced(setting(
           number("label_smoothing", "--set label_smoothing", "Label smoothing",
                  "Share of the label that all classes get", c.label_smoothing, {0, 0.5, 0.05}),
           &TrainConfig::label_smoothing)),
       advanced(augmenting(
           number("flip", "--set augmentation.flip", "Flip",
                  "Probability that a picture is mirrored", c.augmentation.flip, {0, 1, 0.1}),
           &Augmentation::flip)),
       advanced(in(augmenting(integer("shift", "--set augmentation.shift", "Shift",
                                      "Pixels that a picture moves at most", c.augmentation.shift,
                                      {0, 8, 1}),
                              &Augmentation::shift),
                   "pixels")),
       advanced(augmenting(number("erase", "--set augmentation.erase", "Erase",
                                  "Probability that a part of a picture is noise",
                                  c.augmentation.erase, {0, 1, 0.05}),
                           &Augmentation::erase)),
       advanced(augmenting(number("mixup", "--set augmentation.mixup", "Mixup",
                                  "How strongly pairs of pictures are mixed; 0 is off",
                                  c.augmentation.mixup, {0, 2, 0.1}),
                           &Augmentation::mixup)),
       advanced(augmenting(number("cutmix", "--set augmentation.cutmix", "CutMix",
                                  "How strongly parts of other pictures are pasted in; 0 is off",
                                  c.augmentation.cutmix, {0, 2, 0.1}),
                           &Augmentation::cutmix)),
       advanced(integer("max_steps", "--set max_steps", "Stop after",
                        "Steps after which to stop; 0 runs all epochs", 0, {0, 1e6, 1})),
       seed("--seed"), threads()}};
}

JobForm compress_form() {
  const CompressConfig c;
  const auto epochs = [](const char* name, const char* option, const char* label, const char* help,
                         int64_t standard) {
    return integer(name, option, label, help, standard, {0, 100, 1});
  };
  return {
      "compress",
      "Make a trained model smaller and faster, and measure what that gained and cost",
      {model("A trained fp32 model", "fp32"),
       choice("target", "--target", "Optimise for",
              "Make and measure many forms on this machine and take the best one for this", "",
              {"", "balanced", "speed", "size", "accuracy"}),
       choice("preset", "--preset", "Preset",
              "edge: int8 and 50 % pruned; gpu-server: f16 and 30 %; tiny: int8 and 70 %", "",
              {"", "edge", "gpu-server", "tiny"}),
       choice("dtype", "--dtype", "Quantisation",
              "int8 computes in whole numbers; f16 halves the weights; f32 leaves them", c.dtype,
              {"f32", "f16", "int8", "bf16", "w8", "w4", "dynamic"}),
       number("sparsity", "--sparsity", "Sparsity", "Share of the parameters to prune", c.sparsity,
              {0, 0.7, 0.05}),
       epochs("recover", "--recover", "Recovery",
              "Epochs of training after pruning; without pruning none", 1),
       epochs("qat", "--qat", "Training in whole numbers",
              "Epochs of training on the integer kernels; for int8", c.qat_epochs),
       in(number("max_size", "--max-size", "Largest file", "Budget; 0 is none", 0, {0, 100, 0.01}),
          "MB"),
       in(number("max_latency", "--max-latency", "Longest time for an image", "Budget; 0 is none",
                 0, {0, 1000, 0.01}),
          "ms"),
       in(number("min_accuracy", "--min-accuracy", "Least accuracy", "Budget; 0 is none", 0,
                 {0, 100, 0.1}),
          "%"),
       advanced(choice("observer", "--observer", "Ranges by",
                       "What chooses the ranges of activations, for int8", c.observer,
                       observer_names())),
       advanced(integer("max_steps", "--max-steps", "Stop after",
                        "Steps after which to stop each training; 0 runs all epochs", c.max_steps,
                        {0, 1e6, 1})),
       advanced(in(number("seconds", "--seconds", "Time to measure",
                          "For each batch size; the models take turns", 2, {0.1, 60, 0.1}),
                   "s")),
       seed("--seed"), threads()}};
}

JobForm learn_form() {
  const LearnConfig c = named_learn_config("mlp");
  std::vector<std::string> networks = {"mlp"};
  for (const std::string& name : built_in()) networks.push_back(name);
  JobField rate = number("learning_rate", "--lr", "Learning rate", "Of each step", c.learning_rate,
                         {1e-5, 1, 1e-3});
  rate.by = "network";
  for (const std::string& name : networks)
    rate.standards[name] = Json(named_learn_config(name).learning_rate).dump();
  JobField memory = in(integer("memory", "--memory", "Memory",
                               "Of old samples, all that they take counted, for methods with one",
                               c.memory_bytes / 1024, {1, 65'536, 1}),
                       "KiB");
  memory.joins_unit = true;
  std::vector<std::string> forms = artefact_dtypes();
  forms.insert(forms.begin(), "off");
  return {
      "learn",
      "Learn from a stream of tasks without forgetting",
      {choice("network", "", "Network", "mlp is quick, a Vision Transformer knows more", c.network,
              networks),
       choice("method", "--method", "Method", "What is done against forgetting", c.method,
              method_names()),
       choice("stream", "--stream", "Stream", "How tasks follow each other", c.stream.name,
              stream_names()),
       integer("tasks", "--tasks", "Tasks", "Of the stream", c.stream.tasks, {1, 20, 1}), memory,
       integer("epochs", "--epochs", "Epochs", "Passes over each task", c.epochs, {1, 50, 1}),
       choice("compress", "--compress", "Compress",
              "Measure a compressed network after each task; off: do not", c.compress, forms),
       number("sparsity", "--sparsity", "Sparsity",
              "Share that is pruned step by step, where it is compressed", c.sparsity,
              {0, 0.7, 0.05}),
       rate,
       advanced(integer("batch_size", "--batch-size", "Batch", "New images of a step", c.batch_size,
                        {1, 1024, 1})),
       advanced(choice("selection", "--selection", "Memory keeps", "Which samples stay in memory",
                       c.selection, selection_names())),
       advanced(integer("max_steps", "--set max_steps", "Stop after",
                        "Steps after which to stop each task; 0 runs all epochs", c.max_steps,
                        {0, 1e6, 1})),
       seed("--seed"), threads()}};
}

JobForm profile_form() {
  std::vector<std::string> forms = form_names();
  forms.insert(forms.begin(), "");
  return {
      "profile",
      "Where a model's time goes, layer by layer, against this machine's ceilings",
      {model("Any model; built-in ones have random weights", "any"),
       choice("dtype", "--dtype", "Form", "none: what the model comes in", "", forms),
       integer("batch", "--batch", "Batch", "Images at once", 1, {1, 4096, 1}),
       in(number("seconds", "--seconds", "Time to measure", "To run for", 2, {0.1, 60, 0.1}), "s"),
       threads()}};
}

JobForm bench_form() {
  return {"bench", "Measure this machine's ceilings: arithmetic and bandwidth", {threads()}};
}

const char* type_name(Type type) {
  switch (type) {
    case Type::model:
      return "model";
    case Type::choice:
      return "choice";
    case Type::integer:
      return "integer";
    case Type::number:
      return "number";
  }
  return "";
}

Json json_of(const JobField& field) {
  Json json = {{"name", field.name},
               {"label", field.label},
               {"help", field.help},
               {"type", type_name(field.type)},
               {"group", field.advanced ? "advanced" : "basic"},
               {"default", field.standard.empty() ? Json() : Json::parse(field.standard)}};
  if (field.type == Type::integer || field.type == Type::number) {
    json["minimum"] = field.minimum;
    json["maximum"] = field.maximum;
    json["step"] = field.step;
  }
  if (!field.unit.empty()) json["unit"] = field.unit;
  for (const std::string& each : field.choices)
    json["choices"].push_back({{"value", each}, {"label", each.empty() ? "none" : each}});
  if (field.required) json["required"] = true;
  if (!field.accepts.empty()) json["accepts"] = field.accepts;
  if (!field.by.empty()) {
    Json values = Json::object();
    for (const auto& [value, standard] : field.standards) values[value] = Json::parse(standard);
    json["defaults_by"] = {{"field", field.by}, {"values", values}};
  }
  return json;
}

}  // namespace

const std::vector<JobForm>& job_forms() {
  static const std::vector<JobForm> forms = {train_form(), compress_form(), learn_form(),
                                             profile_form(), bench_form()};
  return forms;
}

std::string job_forms_json() {
  Json json = Json::object();
  for (const JobForm& form : job_forms()) {
    Json fields = Json::array();
    for (const JobField& field : form.fields) fields.push_back(json_of(field));
    json[form.verb] = {{"help", form.help}, {"fields", fields}};
  }
  return json.dump();
}

}  // namespace espalier::app
