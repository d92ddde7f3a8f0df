// The checkpoints of a run: saved, taken up again, and asked for their settings.
#include "engine/error.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "nn/model_file.h"
#include "nn/named_tensors.h"
#include "nn/trainer_state.h"

namespace espalier {
namespace {

constexpr const char* training_key = "espalier.training";
constexpr const char* progress_key = "espalier.progress";
constexpr const char* form_key = "espalier.training_form";

Json scale_to_json(const LossScale& scale) {
  return {{"value", scale.value},
          {"finite_steps", scale.finite_steps},
          {"skipped_steps", scale.skipped_steps}};
}

LossScale scale_from_json(const Json& json) {
  return {.value = json.at("value").get<double>(),
          .finite_steps = json.at("finite_steps").get<int64_t>(),
          .skipped_steps = json.at("skipped_steps").get<int64_t>()};
}

// Checkpoints from before teachers were noted have none, and take any.
void check_teachers(const Json& progress, uint32_t mark) {
  if (progress.value("teachers", mark) != mark)
    argument_error("resume", "the teacher", "another", "that which the run began with",
                   "give the same ones, in the same order");
}

// The model of a checkpoint whose shape it alone knows.
std::unique_ptr<VisionTransformer> model_in(const TensorFile& file, const std::string& path) {
  const auto config = file.metadata.find(config_key);
  if (config == file.metadata.end()) file_error(path, "does not say what model it holds");
  const ViTConfig shape = vit_config_from_json(config->second, path);
  const NamedTensors weights = file.under("model.");
  int64_t held = 0;  // before memory for the model is taken
  for (const auto& [name, tensor] : weights) held += tensor.numel();
  if (held != shape.parameter_count())
    file_error(path, "holds " + std::to_string(held) + " parameters; its configuration needs " +
                         std::to_string(shape.parameter_count()));
  Generator unused;
  auto model = std::make_unique<VisionTransformer>(shape, unused);
  model->load_state_dict(weights);
  return model;
}

}  // namespace

void Trainer::State::save_checkpoint() const {
  NamedTensors tensors;
  append_named("model.", trained->named_parameters(), tensors);
  append_named("optimizer.", optimizer->state_dict(), tensors);
  Json progress = {{"step", step},
                   {"best_accuracy", best_accuracy},
                   {"epoch_loss", epoch_loss},
                   {"epoch_seconds", epoch_seconds}};
  if (loss_scale) progress["loss_scale"] = scale_to_json(*loss_scale);
  if (!teachers.empty()) progress["teachers"] = teachers_mark;
  save_safetensors(last_path(run_dir), tensors,
                   {{kind_key, "checkpoint"},
                    {config_key, to_json(std::as_const(*trained).model().config)},
                    {training_key, to_json(config)},
                    {form_key, trained->kind()},
                    {progress_key, progress.dump()}});
}

void Trainer::resume() {
  const std::string path = last_path(state_->run_dir);
  const TensorFile file = load_safetensors(path);
  const auto training = file.metadata.find(training_key),
             progress = file.metadata.find(progress_key);
  if (training == file.metadata.end() || progress == file.metadata.end())
    file_error(path, "is no checkpoint of a training run");
  // Through a configuration, since an older run's text lacks fields that were added since.
  if (to_json(train_config_from_json(training->second, path)) != to_json(state_->config))
    file_error(path, "belongs to a run with other settings");
  // Checkpoints from before there was another kind do not name theirs.
  const auto form = file.metadata.find(form_key);
  if ((form == file.metadata.end() ? "plain" : form->second) != state_->trained->kind())
    file_error(path, "belongs to another kind of training; take it up by the verb that began it");
  try {
    const Json json = parse_json(progress->second, path);
    check_teachers(json, state_->teachers_mark);
    if (state_->shrinking.times > 0) {
      state_->take(*model_in(file, path));
      state_->start_optimizer();
    }
    copy_named("resume", state_->trained->named_parameters(), file.under("model."));
    state_->optimizer->load_state_dict(file.under("optimizer."));
    state_->step = json.at("step").get<int64_t>();
    state_->best_accuracy = json.at("best_accuracy").get<double>();
    state_->epoch_loss = json.at("epoch_loss").get<double>();
    state_->epoch_seconds = json.at("epoch_seconds").get<double>();
    if (state_->loss_scale) state_->loss_scale = scale_from_json(json.at("loss_scale"));
  } catch (const Error& error) {
    file_error(path, error.what());
  } catch (const Json::exception& error) {
    file_error(path, std::string("damaged progress: ") + error.what());
  }
}

TrainConfig load_run_config(const std::string& run_dir) {
  const std::string path = last_path(run_dir);
  const TensorFile file = load_safetensors(path);
  const auto training = file.metadata.find(training_key);
  if (training == file.metadata.end()) file_error(path, "is no checkpoint of a training run");
  return train_config_from_json(training->second, path);
}

}  // namespace espalier
