// Saving a run of continual learning, and taking it up.
#include <algorithm>
#include <utility>

#include "cl/continual_state.h"
#include "engine/error.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "nn/model_file.h"
#include "nn/named_tensors.h"
#include "nn/vit.h"

namespace espalier {
namespace {

constexpr const char* learning_key = "espalier.learning";
constexpr const char* progress_key = "espalier.progress";

}  // namespace

std::string last_checkpoint_in(const std::string& run_dir) {
  return run_dir + "/checkpoints/last.safetensors";
}

void ContinualTrainer::State::save_checkpoint() const {
  NamedTensors tensors;
  append_named("model.", learner.network->named_parameters(), tensors);
  append_named("optimizer.", learner.optimizer->state_dict(), tensors);
  append_named("method.", method->state_dict(), tensors);
  if (learner.memory) {
    append_named("memory.", learner.memory->state_dict(), tensors);
    append_named("selection.", learner.selection->state_dict(), tensors);
  }
  Json costs = Json::array();
  for (const Ledger& each : ledgers) costs.push_back(to_json(each));
  Json unseen = Json::array();
  for (const ZeroShot& each : zero_shot) unseen.push_back(to_json(each));
  const Json progress = {
      {"task", learner.task}, {"step", learner.step},  {"step_of_task", step_of_task},
      {"seconds", seconds},   {"accuracy", accuracy},  {"ledgers", costs},
      {"zero_shot", unseen},  {"rows", rows},          {"multiply_accumulates", work},
      {"begun_as", begun_as}, {"stream", stream_mark}, {"notes", notes}};
  std::map<std::string, std::string> metadata = {{kind_key, "continual checkpoint"},
                                                 {learning_key, to_json(learner.config)},
                                                 {progress_key, progress.dump()}};
  if (!begun_as.empty()) metadata[config_key] = shape_of(*learner.network);
  save_safetensors(last_checkpoint(), tensors, metadata);
}

// A checkpoint may be of a network that has given way to a smaller one.
void ContinualTrainer::State::take_shape(const std::string& shape) {
  if (shape == shape_of(*learner.network)) return;
  const ViTConfig config = vit_config_from_json(shape, last_checkpoint());
  if (begun_as.empty() || !fits(config.input(), config.classes))
    argument_error("resume", "network", "for other images or classes", "that of the run", "");
  Generator unused;
  learner.network = std::make_unique<VisionTransformer>(config, unused);
  renew_optimizer(learner);
  method->attach(learner);
  work_of_row = 0;
}

void ContinualTrainer::State::check_progress() const {
  const auto tasks = static_cast<size_t>(task_count());
  const size_t told = accuracy.empty() ? 0 : static_cast<size_t>(learner.task) + 1;
  bool good = accuracy.size() == told && ledgers.size() == told && zero_shot.size() == told &&
              (told > 0 || learner.task == 0) && learner.step >= 0 && step_of_task >= 0;
  for (const std::vector<double>& row : accuracy) good = good && row.size() == tasks;
  if (learner.task < task_count()) good = good && step_of_task <= task_steps(learner.current());
  if (!good) argument_error("resume", "progress", "damaged", "that of a run of this stream", "");
}

void ContinualTrainer::resume() {
  State& s = *state_;
  const std::string path = s.last_checkpoint();
  const TensorFile file = load_safetensors(path);
  const auto learning = file.metadata.find(learning_key),
             progress = file.metadata.find(progress_key);
  if (learning == file.metadata.end() || progress == file.metadata.end())
    file_error(path, "is no checkpoint of continual learning");
  if (to_json(learn_config_from_json(learning->second, path)) != to_json(s.learner.config))
    file_error(path, "belongs to a run with other settings");
  try {
    const Json json = parse_json(progress->second, path);
    if (json.at("begun_as").get<std::string>() != s.begun_as)
      argument_error("resume", "network", "of another shape", "that which the run began with", "");
    if (json.at("stream").get<uint32_t>() != s.stream_mark)
      argument_error("resume", "stream", "of other images", "that which the run began with", "");
    if (const auto shape = file.metadata.find(config_key); shape != file.metadata.end())
      s.take_shape(shape->second);
    s.learner.task = json.at("task").get<int64_t>();
    if (s.learner.task < 0 || s.learner.task > s.task_count())
      file_error(path, "damaged progress: task " + std::to_string(s.learner.task));
    // After the last task the network keeps the form that it had in it.
    const int64_t task =
        std::exchange(s.learner.task, std::min(s.learner.task, s.task_count() - 1));
    s.shape_network();
    s.learner.task = task;
    copy_named("resume", s.learner.network->named_parameters(), file.under("model."));
    s.learner.optimizer->load_state_dict(file.under("optimizer."));
    s.learner.step = json.at("step").get<int64_t>();
    s.step_of_task = json.at("step_of_task").get<int64_t>();
    s.seconds = json.at("seconds").get<double>();
    s.accuracy = json.at("accuracy").get<AccuracyMatrix>();
    s.ledgers.clear();
    for (const Json& each : json.at("ledgers"))
      s.ledgers.push_back(ledger_from_json(each.get<std::string>(), path));
    s.zero_shot.clear();
    for (const Json& each : json.at("zero_shot"))
      s.zero_shot.push_back(zero_shot_from_json(each.get<std::string>(), path));
    s.rows = json.at("rows").get<int64_t>();
    s.work = json.at("multiply_accumulates").get<int64_t>();
    s.notes = json.at("notes").get<std::map<std::string, std::string>>();
    s.check_progress();
    s.method->load_state_dict(s.learner, file.under("method."));
    if (!s.learner.memory) return;
    s.learner.memory->load_state_dict(file.under("memory."));
    s.learner.memory->check(s.learner.stream.classes(), s.task_count());
    s.learner.selection->load_state_dict(file.under("selection."));
  } catch (const Error& error) {
    file_error(path, error.what());
  } catch (const Json::exception& error) {
    file_error(path, std::string("damaged progress: ") + error.what());
  }
}

LearnConfig load_learn_config(const std::string& run_dir) {
  const std::string path = last_checkpoint_in(run_dir);
  const TensorFile file = load_safetensors(path);
  const auto learning = file.metadata.find(learning_key);
  if (learning == file.metadata.end()) file_error(path, "is no checkpoint of continual learning");
  return learn_config_from_json(learning->second, path);
}

}  // namespace espalier
