#include "app/serve/routes.h"

#include <sys/sysinfo.h>

#include <filesystem>

#include "app/command.h"
#include "app/run_folder.h"
#include "app/serve/assets.h"
#include "app/serve/job_fields.h"
#include "engine/error.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

constexpr std::string_view token_place = "{{espalier-token}}";

HttpAnswer json_answer(std::string body, int status = 200) {
  return {.status = status, .body = std::move(body)};
}

[[noreturn]] void absent(const std::string& what, const std::string& where) {
  throw HttpError{404, "absent", "there is no such " + what + "; " + where + " has them"};
}

// What stands behind `prefix` in a path, and none where it begins otherwise.
std::optional<std::string> after(const std::string& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  return path.substr(prefix.size());
}

std::optional<std::string> between(const std::string& path, std::string_view prefix,
                                   std::string_view suffix) {
  const auto rest = after(path, prefix);
  if (!rest || rest->size() <= suffix.size() || !rest->ends_with(suffix)) return std::nullopt;
  return rest->substr(0, rest->size() - suffix.size());
}

HttpAnswer file_answer(const std::string& path, const std::string& type, bool download) {
  HttpAnswer answer{.type = type, .file = path};
  if (!download) return answer;
  std::string name = std::filesystem::path(path).filename().string();
  for (char& c : name)
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) >= 127) c = '_';
  answer.headers.emplace_back("Content-Disposition", "attachment; filename=\"" + name + "\"");
  return answer;
}

HttpAnswer asset_answer(const std::string& name) {
  const Asset* asset = find_asset(name);
  if (!asset) absent("file of the page", "app/page/");
  return {.type = std::string(asset->type), .body = std::string(asset->bytes)};
}

Json parsed_body(const std::string& text) {
  try {
    Json body = parse_json(text, "the body");
    if (body.is_object()) return body;
  } catch (const Error& error) {
    throw HttpError{400, "request", error.what()};
  }
  throw HttpError{400, "request", "the body is no JSON object"};
}

// A fragment of JSON beside others: "{"a":1}" and "{"b":2}" as "{"a":1,"b":2}".
Json joined(const std::string& first, const std::string& second) {
  Json json = Json::parse(first);
  json.update(Json::parse(second));
  return json;
}

}  // namespace

Routes::Routes(Folders folders, std::string token)
    : folders_(std::move(folders)),
      token_(std::move(token)),
      models_(folders_.runs, folders_.models),
      pictures_(folders_.data),
      predictor_(models_, pictures_),
      jobs_(folders_.runs, folders_.data, models_.lookup(), events_) {}

HttpAnswer Routes::operator()(const HttpRequest& request) {
  return request.method == "POST" ? post(request) : get(request);
}

HttpAnswer Routes::get(const HttpRequest& request) {
  const std::string& path = request.path;
  if (path == "/") return page();
  if (path == "/favicon.ico") return asset_answer("favicon.svg");
  if (const auto name = after(path, "/assets/")) return asset_answer(*name);
  if (path == "/api/machine") return json_answer(machine_json());
  if (path == "/api/settings") return json_answer(job_forms_json());
  if (path == "/api/models") return json_answer(models_.json());
  if (const auto id = between(path, "/api/models/", "/artefact")) return model_file(*id);
  if (path == "/api/data/classes")
    return json_answer(Json{{"classes", fashion_mnist_classes()}}.dump());
  if (const auto name = after(path, "/api/data/test/")) return test_picture(*name);
  if (path == "/api/events") return events();
  if (path == "/api/jobs") return json_answer(jobs_.all());
  if (const auto id = after(path, "/api/jobs/")) return json_answer(jobs_.one(*id));
  if (path == "/api/runs") return json_answer(runs_json());
  if (path == "/api/pareto") return pareto(request.parameter("run"));
  if (const auto rest = after(path, "/api/runs/")) {
    if (rest->find("/files/") == rest->npos) return run(*rest);
    return run_file(*rest, request.parameter("download") == "1");
  }
  if (path == "/api/predict") throw HttpError{405, "method", "/api/predict is asked by POST"};
  throw HttpError{404, "absent",
                  "there is nothing at this address; app/serve/API.md tells them all"};
}

HttpAnswer Routes::post(const HttpRequest& request) {
  const std::string& path = request.path;
  const Json body = parsed_body(request.body);
  if (path == "/api/predict") return json_answer(predictor_.predict(request.body));
  if (path == "/api/jobs") {
    if (!body.contains("verb") || !body["verb"].is_string())
      throw HttpError{422, "arguments", "verb: expected train, compress, learn, profile or bench",
                      "verb"};
    return json_answer(jobs_.submit(body["verb"].get<std::string>(),
                                    body.value("arguments", Json::object()).dump()),
                       202);
  }
  if (const auto id = between(path, "/api/jobs/", "/cancel")) return json_answer(jobs_.cancel(*id));
  if (const auto id = between(path, "/api/jobs/", "/resume")) return json_answer(jobs_.resume(*id));
  if (const auto id = between(path, "/api/jobs/", "/remove")) return json_answer(jobs_.remove(*id));
  throw HttpError{404, "absent",
                  "nothing is posted to this address; app/serve/API.md tells them all"};
}

HttpAnswer Routes::page() const {
  HttpAnswer answer = asset_answer("index.html");
  if (const size_t at = answer.body.find(token_place); at != answer.body.npos)
    answer.body.replace(at, token_place.size(), token_);
  return answer;
}

HttpAnswer Routes::events() {
  const auto listener = events_.listen("retry: 2000\n\n" + jobs_.unfinished_events());
  return {.type = "text/event-stream",
          .stream = [listener](std::string& piece) { return listener->next(piece); }};
}

HttpAnswer Routes::model_file(const std::string& id) {
  const auto model = models_.find(id);
  if (!model || model->path.empty()) absent("file of a model", "/api/models");
  return file_answer(model->path, "application/octet-stream", true);
}

HttpAnswer Routes::test_picture(const std::string& name) {
  const bool png = name.ends_with(".png");
  const std::string digits = png ? name.substr(0, name.size() - 4) : name;
  if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != digits.npos)
    absent("test image", "/api/data/test/0 and those up to 9999");
  const int64_t index = std::stoll(digits);
  if (png) return {.type = "image/png", .body = pictures_.png(index)};
  return json_answer(pictures_.json(index));
}

std::string Routes::machine_json() {
  struct sysinfo system {};
  sysinfo(&system);
  Json json = Json::parse(environment_json());
  json["threads"] = default_num_threads();  // that a job may use
  json["memory_bytes"] = static_cast<int64_t>(system.totalram) * system.mem_unit;
  json["runs"] = folders_.runs;
  json["data"] = folders_.data;
  json["data_present"] = pictures_.present();
  json["hardware"] = nullptr;
  for (const RunFolder& run : find_runs(folders_.runs))
    if (run.verb == "bench") {
      Json hardware = json_or_null(whole_of(run.path + "/hardware.json"));
      if (hardware.is_null()) continue;
      json["hardware"] = std::move(hardware);
      break;
    }
  return lossy_dump(json);
}

// The fields of a RUN.
std::string Routes::run_head(const RunFolder& run) {
  const RunSummaries::Summary summary = summaries_.of(run);
  const auto job = jobs_.state_of(run.id);
  return lossy_dump({{"id", run.id},
                     {"verb", run.verb},
                     {"title", summary.title},
                     {"job", job ? Json(run.id) : Json()},
                     {"state", job                ? name_of(*job)
                               : summary.finished ? "done"
                                                  : "unfinished"},
                     {"started", summary.started},
                     {"modified", summary.modified},
                     {"has_report", modified_seconds(run.path + "/report.md") > 0},
                     {"summary", Json::parse(summary.json)}});
}

std::string Routes::runs_json() {
  std::string text;
  for (const RunFolder& run : find_runs(folders_.runs))
    text += (text.empty() ? "" : ",") + run_head(run);
  return "{\"runs\":[" + text + "]}";
}

HttpAnswer Routes::run(const std::string& id) {
  const auto found = find_run(folders_.runs, id);
  if (!found) absent("run", "/api/runs");
  Json json = joined(run_head(*found), run_details_json(*found));
  json["files"] = Json::array();
  for (const RunFile& file : files_of(found->path))
    json["files"].push_back(
        {{"path", file.name}, {"bytes", file.bytes}, {"modified", file.modified}});
  json["models"] = Json::array();
  for (const ListedModel& model : models_.of_run(*found)) json["models"].push_back(model.id);
  json["log"] = nullptr;
  if (!json["job"].is_null()) {
    json["job"] = Json::parse(jobs_.one(found->id));
    json["log"] = tail_of(found->path + "/log.txt", 4096);
  }
  return json_answer(lossy_dump(json));
}

HttpAnswer Routes::run_file(const std::string& id_and_path, bool download) {
  const size_t middle = id_and_path.find("/files/");
  const auto run = find_run(folders_.runs, id_and_path.substr(0, middle));
  if (!run) absent("run", "/api/runs");
  const std::string wanted = id_and_path.substr(middle + std::string_view("/files/").size());
  for (const RunFile& file : files_of(run->path))
    if (file.name == wanted)
      return file_answer(run->path + "/" + file.name, served_type(file.name), download);
  absent("file of this run", "/api/runs/" + run->id);
}

HttpAnswer Routes::pareto(const std::string& id) {
  const auto run = find_run(folders_.runs, id);
  if (!run) absent("run", "/api/runs");
  const std::string points = pareto_json(*run);
  if (points.empty())
    throw HttpError{404, "absent",
                    "the run compared no models yet; choose a finished one of verb compress"};
  std::map<std::string, std::string> ids;
  for (const ListedModel& model : models_.of_run(*run)) ids[model.name] = model.id;
  Json json = {{"run", run->id}};
  json.update(Json::parse(points));
  for (Json& point : json["points"]) {
    const auto model = ids.find(point["file"].get<std::string>());
    point["model"] = model == ids.end() ? Json() : Json(model->second);
    point.erase("file");
    const double seconds = point["seconds"].is_number() ? point["seconds"].get<double>() : 0;
    point["images_per_second"] = seconds > 0 ? Json(json["batch"].get<double>() / seconds) : Json();
  }
  return json_answer(lossy_dump(json));
}

}  // namespace espalier::app
