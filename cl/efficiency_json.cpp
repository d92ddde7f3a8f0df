#include "cl/efficiency.h"
#include "engine/error.h"
#include "engine/io/json.h"

namespace espalier {
namespace {

// Right ones and images of each class in turn.
Json json_of(const std::vector<ClassCount>& counts) {
  Json out = Json::array();
  for (const ClassCount& count : counts) out.push_back({count.right, count.images});
  return out;
}

std::vector<ClassCount> counts_from(const Json& json) {
  std::vector<ClassCount> out;
  for (const Json& each : json)
    out.push_back({each.at(0).get<int64_t>(), each.at(1).get<int64_t>()});
  return out;
}

Json json_of(const TaskEfficiency& task) {
  Json speeds = Json::array();
  for (const TaskEfficiency::Speed& speed : task.speeds)
    speeds.push_back({{"batch", speed.batch},
                      {"seconds", speed.seconds},
                      {"spread", speed.spread},
                      {"times_as_fast", speed.times_as_fast}});
  Json forms = Json::array();
  for (const TaskEfficiency::Form& form : task.forms)
    forms.push_back({{"dtype", form.dtype},
                     {"file_bytes", form.file_bytes},
                     {"seconds", form.seconds},
                     {"accuracy", form.accuracy},
                     {"chosen", form.chosen}});
  return {{"task", task.task},
          {"path", task.path},
          {"dtype", task.dtype},
          {"sparsity", task.sparsity},
          {"parameters", task.parameters},
          {"file_bytes", task.file_bytes},
          {"memory_bytes", task.memory_bytes},
          {"flops", task.flops},
          {"forms", forms},
          {"meets_budget", task.meets_budget},
          {"accuracy", task.accuracy},
          {"speeds", speeds},
          {"learned", json_of(task.learned)},
          {"pruned", json_of(task.pruned)},
          {"artefact", json_of(task.artefact)},
          {"ledger", to_json(task.ledger)}};
}

TaskEfficiency task_from(const Json& json, const std::string& origin) {
  TaskEfficiency task;
  json.at("task").get_to(task.task);
  json.at("path").get_to(task.path);
  json.at("dtype").get_to(task.dtype);
  json.at("sparsity").get_to(task.sparsity);
  json.at("parameters").get_to(task.parameters);
  json.at("file_bytes").get_to(task.file_bytes);
  json.at("memory_bytes").get_to(task.memory_bytes);
  json.at("flops").get_to(task.flops);
  json.at("accuracy").get_to(task.accuracy);
  json.at("meets_budget").get_to(task.meets_budget);
  for (const Json& form : json.at("forms"))
    task.forms.push_back({form.at("dtype").get<std::string>(), form.at("file_bytes").get<int64_t>(),
                          form.at("seconds").get<double>(), form.at("accuracy").get<double>(),
                          form.at("chosen").get<bool>()});
  for (const Json& speed : json.at("speeds"))
    task.speeds.push_back({speed.at("batch").get<int64_t>(), speed.at("seconds").get<double>(),
                           speed.at("spread").get<double>(),
                           speed.at("times_as_fast").get<double>()});
  task.learned = counts_from(json.at("learned"));
  task.pruned = counts_from(json.at("pruned"));
  task.artefact = counts_from(json.at("artefact"));
  task.ledger = ledger_from_json(json.at("ledger").get<std::string>(), origin);
  return task;
}

}  // namespace

std::string to_json(const EfficiencySummary& summary) {
  Json tasks = Json::array();
  for (const TaskEfficiency& task : summary.tasks) tasks.push_back(json_of(task));
  const Json out = {{"network", summary.network},
                    {"class_names", summary.class_names},
                    {"task_names", summary.task_names},
                    {"uncompressed_bytes", summary.uncompressed_bytes},
                    {"uncompressed_parameters", summary.uncompressed_parameters},
                    {"uncompressed_memory_bytes", summary.uncompressed_memory_bytes},
                    {"tasks", tasks}};
  return out.dump();
}

EfficiencySummary efficiency_from_json(const std::string& text, const std::string& origin) {
  const Json json = parse_json(text, origin);
  try {
    EfficiencySummary summary;
    json.at("network").get_to(summary.network);
    json.at("class_names").get_to(summary.class_names);
    json.at("task_names").get_to(summary.task_names);
    json.at("uncompressed_bytes").get_to(summary.uncompressed_bytes);
    json.at("uncompressed_parameters").get_to(summary.uncompressed_parameters);
    json.at("uncompressed_memory_bytes").get_to(summary.uncompressed_memory_bytes);
    for (const Json& task : json.at("tasks")) summary.tasks.push_back(task_from(task, origin));
    return summary;
  } catch (const Json::exception& error) {
    file_error(origin, std::string("damaged summary of efficiency: ") + error.what());
  }
}

}  // namespace espalier
