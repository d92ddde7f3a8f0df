#include "app/serve/run_results.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "engine/io/json.h"

namespace espalier::app {
namespace {

// The JSON of a file; null where there is none, half of one, or a deep one. It is for variables
// that are not const: of those the library gives null for a name that is not there.
Json read_json(const std::string& path) { return json_or_null(whole_of(path)); }

std::string stem_of(const std::string& path) { return std::filesystem::path(path).stem().string(); }

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  return lines;
}

bool is_step(const std::string& line) { return line.find("\"loss\"") != line.npos; }

// Of more step lines than that, every k-th.
Json thinned(const std::vector<std::string>& lines) {
  constexpr size_t most = 4000;
  const auto steps = static_cast<size_t>(std::count_if(lines.begin(), lines.end(), is_step));
  const size_t every = steps / most + 1;
  Json out = Json::array();
  size_t step = 0;
  for (const std::string& line : lines) {
    if (is_step(line) && step++ % every != 0) continue;
    if (Json json = json_or_null(line); json.is_object()) out.push_back(std::move(json));
  }
  return out;
}

// The speed at one image at a time, or the first that was measured.
Json speed_of(const Json& model) {
  Json first = Json::object();
  for (const Json& speed : model.value("speeds", Json::array())) {
    if (speed.value("batch", 0) == 1) return speed;
    if (first.empty()) first = speed;
  }
  return first;
}

using Summary = RunSummaries::Summary;

void summarise_train(const RunFolder& run, Summary& summary, Json& json) {
  Json config = read_json(run.path + "/config.json");
  const std::string model = config.value("/model/name"_json_pointer, std::string("model"));
  summary.title = model;
  const int64_t epochs = config.value("epochs", int64_t{0});
  const int64_t most = config.value("max_steps", int64_t{0});
  json = {{"model", model}, {"epochs", epochs}};
  int64_t epochs_done = 0, steps = 0;
  double best = -1, loss = 0, seconds = 0;
  std::vector<double> speeds;
  const std::vector<std::string> lines = lines_of(run.path + "/metrics.jsonl");
  const size_t every = lines.size() / 1000 + 1;  // for the median of speeds, a sample is enough
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool step = is_step(lines[i]);
    if (step && i % every != 0 && i + 2 < lines.size()) continue;
    // However deep it is: of a line, numbers are looked up, and nothing is copied.
    const Json line = Json::parse(lines[i], nullptr, false);
    if (!line.is_object()) continue;
    steps = line.value("step", steps);
    if (step) speeds.push_back(line.value("images_per_second", 0.0));
    if (step || !line.contains("train_loss")) continue;
    epochs_done = line.value("epoch", int64_t{0}) + 1;
    seconds += line.value("seconds", 0.0);
    if (const double share = line.value("validation_accuracy", -1.0); share > best) {
      best = share;
      loss = line.value("validation_loss", 0.0);
    }
  }
  json["epochs_done"] = epochs_done;
  json["steps"] = steps;
  if (best >= 0) json.update({{"validation_accuracy", best}, {"validation_loss", loss}});
  if (!speeds.empty()) {
    std::nth_element(speeds.begin(),
                     speeds.begin() + static_cast<std::ptrdiff_t>(speeds.size() / 2), speeds.end());
    json["images_per_second"] = speeds[speeds.size() / 2];
  }
  if (seconds > 0) json["seconds"] = seconds;
  summary.finished = (epochs > 0 && epochs_done >= epochs) || (most > 0 && steps >= most);
}

void summarise_compress(const RunFolder& run, Summary& summary, Json& json) {
  Json config = read_json(run.path + "/compress.json");
  Json report = read_json(run.path + "/report.json");
  json = Json::object();
  for (const char* name : {"model", "target", "dtype", "sparsity"})
    if (config.contains(name)) json[name] = config[name];
  summary.title = stem_of(config.value("model", std::string("model")));
  summary.finished = report.is_object() && report.contains("models");
  if (!summary.finished || report["models"].empty()) return;
  const std::string headline = report.value("headline", std::string());
  Json& before = report["models"].front();
  for (Json& model : report["models"]) {
    if (model.value("label", "") != headline) continue;
    json["headline"] = headline;
    json["bytes_before"] = before["file_bytes"];
    json["parameters_before"] = before["parameters"];
    json["accuracy_before"] = before["accuracy"];
    for (const char* name : {"file_bytes", "parameters", "accuracy", "half_interval_95"})
      json[name] = model[name];
    if (const Json speed = speed_of(model); !speed.empty())
      for (const char* name : {"batch", "images_per_second", "times_as_fast"})
        json[name] = speed.value(name, Json());
  }
}

void summarise_learn(const RunFolder& run, Summary& summary, Json& json) {
  Json config = read_json(run.path + "/config.json");
  Json report = read_json(run.path + "/report.json");
  json = {{"network", config.value("network", "")},
          {"method", config.value("method", "")},
          {"stream", config.value("/stream/name"_json_pointer, std::string())}};
  summary.title = config.value("method", std::string("method"));
  if (!report.is_object()) return;
  const Json tasks = report.value("tasks", Json::array());
  const Json accuracy = report.value("accuracy", Json::array());
  json["tasks"] = tasks.size();
  json["tasks_done"] = accuracy.empty() ? 0 : accuracy.size() - 1;
  json["average_accuracy"] = report["average_accuracy"];
  json["forgetting"] = report["forgetting"];
  summary.finished = accuracy.size() == tasks.size() + 1;
}

void summarise_profile(const RunFolder& run, Summary& summary, Json& json) {
  Json profile = read_json(run.path + "/profile.json");
  json = Json::object();
  for (const char* name : {"model", "dtype", "batch", "threads"})
    if (profile.contains(name)) json[name] = profile[name];
  summary.title = profile.value("model", std::string("model"));
  const double runs = profile.value("runs", 0.0);
  if (runs > 0) json["seconds_a_run"] = profile.value("wall_seconds", 0.0) / runs;
  summary.finished = profile.is_object();
}

void summarise_bench(const RunFolder& run, Summary& summary, Json& json) {
  Json hardware = read_json(run.path + "/hardware.json");
  json = Json::object();
  for (const char* name : {"cpu", "clock_ghz"})
    if (hardware.contains(name)) json[name] = hardware[name];
  summary.title = "this machine";
  summary.finished = hardware.is_object();
}

constexpr const char* telling[] = {"config.json",  "compress.json", "metrics.jsonl", "report.json",
                                   "profile.json", "hardware.json", "progress.json"};

}  // namespace

RunSummaries::Summary RunSummaries::of(const RunFolder& run) {
  std::string stamp;
  Summary summary;
  for (const char* name : telling) {
    const double modified = modified_seconds(run.path + "/" + name);
    stamp += std::to_string(modified) + " ";
    summary.modified = std::max(summary.modified, modified);
    if (modified > 0 && (summary.started == 0 || modified < summary.started))
      summary.started = modified;
  }
  const std::lock_guard lock(mutex_);
  auto& [known, last] = known_[run.path];
  if (known == stamp) return last;
  Json json;
  try {
    if (run.verb == "train") summarise_train(run, summary, json);
    if (run.verb == "compress") summarise_compress(run, summary, json);
    if (run.verb == "learn") summarise_learn(run, summary, json);
    if (run.verb == "profile") summarise_profile(run, summary, json);
    if (run.verb == "bench") summarise_bench(run, summary, json);
  } catch (const Json::exception&) {
    // Of another version, or edited by hand: it is listed, without what cannot be read.
  }
  if (summary.title.empty()) summary.title = run.id;
  summary.json = json.is_null() ? "{}" : json.dump();
  known = stamp;
  return last = summary;
}

std::map<std::string, TestedAccuracy> tested_accuracies(const RunFolder& run) {
  std::map<std::string, TestedAccuracy> out;
  if (run.verb != "compress") return out;
  Json report = read_json(run.path + "/report.json");
  if (!report.is_object()) return out;
  try {
    for (Json& model : report["models"])
      if (model["accuracy"].is_number())
        out[stem_of(model.value("path", ""))] = {model.value("accuracy", 0.0),
                                                 model.value("half_interval_95", 0.0)};
  } catch (const Json::exception&) {
    // As of a run whose report is not there.
  }
  return out;
}

std::string run_details_json(const RunFolder& run) {
  const std::vector<std::string> lines = lines_of(run.path + "/metrics.jsonl");
  const bool compresses = run.verb == "compress";
  const auto file = [&](const char* name) { return read_json(run.path + "/" + name); };
  return Json{{"config", file(compresses ? "compress.json" : "config.json")},
              {"env", file("env.json")},
              {"metrics", thinned(lines)},
              {"metrics_lines", lines.size()},
              {"results",
               {{"report", file("report.json")},
                {"optimization", file("optimization.json")},
                {"profile", file("profile.json")},
                {"hardware", file("hardware.json")}}}}
      .dump();
}

std::string pareto_json(const RunFolder& run) {
  Json optimization = read_json(run.path + "/optimization.json");
  Json report = read_json(run.path + "/report.json");
  Json points = Json::array();
  const bool searched = optimization.is_object();
  if (!searched && !report.is_object()) return "";
  Json& models = searched ? optimization["models"] : report["models"];
  for (size_t i = 0; i < models.size(); ++i) {
    Json& model = models[i];
    const Json speed = searched ? Json::object() : speed_of(model);
    const Json seconds = searched ? model["judged_seconds"] : speed.value("seconds", Json());
    Json point = {{"name", searched ? model["name"] : model["label"]},
                  {"file", stem_of(model.value("path", ""))},
                  {"seconds", seconds},
                  {"accuracy", searched ? model["validation_accuracy"] : model["accuracy"]},
                  {"file_bytes", model["file_bytes"]},
                  {"parameters", model["parameters"]}};
    if (searched) {
      point["roles"] = model["from"];
      const std::string role = model["from"].empty() ? "" : model["from"][0].get<std::string>();
      point["role"] = optimization.value("chosen", -1) == static_cast<int>(i) ? "chosen"
                      : role.starts_with("rule")                              ? "rule of thumb"
                      : role.starts_with("preset")                            ? "preset"
                                                                              : role;
      point["on_front"] = model["on_front"];
    } else {
      point["roles"] = Json::array({model["label"]});
      point["role"] = i == 0 ? "before" : model["label"].get<std::string>();
    }
    points.push_back(std::move(point));
  }
  // Of a report: what no other model is both as fast and as accurate as.
  const auto beats = [](Json& a, Json& b) {
    return a["seconds"] <= b["seconds"] && a["accuracy"] >= b["accuracy"] &&
           (a["seconds"] < b["seconds"] || a["accuracy"] > b["accuracy"]);
  };
  if (!searched)
    for (Json& point : points)
      point["on_front"] = std::none_of(points.begin(), points.end(),
                                       [&](Json& other) { return beats(other, point); });
  return Json{{"batch", searched ? optimization.value("batch", Json(1)) : Json(1)},
              {"accuracy_of", searched ? "validation" : "test"},
              {"points", points}}
      .dump();
}

}  // namespace espalier::app
