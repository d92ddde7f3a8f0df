#include "app/serve/job_record.h"

#include <algorithm>
#include <sstream>

#include "app/progress.h"
#include "app/serve/job_command.h"
#include "app/serve/run_files.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace espalier::app {
namespace {

constexpr JobState states[] = {JobState::queued, JobState::running, JobState::stopping,
                               JobState::done,   JobState::failed,  JobState::cancelled};

Json time_or_null(double seconds) { return seconds > 0 ? Json(seconds) : Json(); }

Json progress_json(const std::string& folder, bool runs) {
  const Json json = json_or_null(whole_of(folder + "/progress.json"));
  if (!json.is_object() || !json.contains("stage")) return nullptr;
  Json out = Json::object();
  const double age = std::max(0.0, wall_clock() - json.value("updated", 0.0));
  for (const char* name : {"stage", "stage_number", "stages", "done", "total", "unit", "share",
                           "seconds_left", "text", "updated"})
    out[name] = json.value(name, Json());
  // A verb that measures writes nothing meanwhile.
  if (runs && out["seconds_left"].is_number())
    out["seconds_left"] = std::max(0.0, out["seconds_left"].get<double>() - age);
  return out;
}

}  // namespace

const char* name_of(JobState state) {
  switch (state) {
    case JobState::queued:
      return "queued";
    case JobState::running:
      return "running";
    case JobState::stopping:
      return "stopping";
    case JobState::done:
      return "done";
    case JobState::failed:
      return "failed";
    case JobState::cancelled:
      return "cancelled";
  }
  return "";
}

std::optional<Job> read_job(const std::string& folder) try {
  const Json json = json_or_null(whole_of(folder + "/job.json"));
  if (!json.is_object()) return std::nullopt;
  Job job;
  json.at("id").get_to(job.id);
  json.at("verb").get_to(job.verb);
  json.at("title").get_to(job.title);
  job.arguments = json.at("arguments").dump();
  json.at("words").get_to(job.words);
  json.at("resumes").get_to(job.resumes);
  json.at("created").get_to(job.created);
  json.at("queued").get_to(job.queued);
  json.at("started").get_to(job.started);
  json.at("ended").get_to(job.ended);
  json.at("pid").get_to(job.process.pid);
  json.at("process_began").get_to(job.process.began);
  if (!json.at("code").is_null()) job.code = json.at("code").get<int>();
  json.at("error").get_to(job.error);
  const auto state = json.at("state").get<std::string>();
  for (JobState each : states)
    if (state == name_of(each)) job.state = each;
  return job;
} catch (const Json::exception&) {
  return std::nullopt;
}

void write_job(const std::string& folder, const Job& job) {
  const Json json = {{"id", job.id},
                     {"verb", job.verb},
                     {"title", job.title},
                     {"arguments", Json::parse(job.arguments)},
                     {"words", job.words},
                     {"state", name_of(job.state)},
                     {"resumes", job.resumes},
                     {"created", job.created},
                     {"queued", job.queued},
                     {"started", job.started},
                     {"ended", job.ended},
                     {"pid", job.process.pid},
                     {"process_began", job.process.began},
                     {"code", job.code ? Json(*job.code) : Json()},
                     {"error", job.error}};
  write_atomically(folder + "/job.json", json.dump(2) + "\n");
}

JobEnd read_end(const std::string& folder) {
  JobEnd end;
  const Json json = json_or_null(whole_of(folder + "/progress.json"));
  if (!json.is_object()) return end;
  if (json.contains("code") && json["code"].is_number_integer()) end.code = json["code"];
  if (json.contains("error") && json["error"].is_string()) end.error = json["error"];
  return end;
}

std::string last_complaint(const std::string& folder) {
  constexpr std::string_view name = "espalier: ";
  std::istringstream lines(tail_of(folder + "/log.txt", 4096));
  std::string found;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name)) found = line.substr(name.size());
  return found;
}

std::string job_json(const Job& job, const std::string& folder, int position, bool has_saved) {
  const bool broken_off = job.state == JobState::cancelled || job.state == JobState::failed;
  const auto again = resume_command(job.words, folder);
  const Json json = {{"id", job.id},
                     {"run", job.id},
                     {"verb", job.verb},
                     {"title", job.title},
                     {"arguments", Json::parse(job.arguments)},
                     {"command", shell_line(job.words)},
                     {"resume_command", again && has_saved ? Json(shell_line(*again)) : Json()},
                     {"state", name_of(job.state)},
                     {"position", position},
                     {"created", job.created},
                     {"started", time_or_null(job.started)},
                     {"ended", time_or_null(job.ended)},
                     {"resumable", broken_off},
                     {"progress", progress_json(folder, job.process.pid > 0)},
                     {"code", job.code ? Json(*job.code) : Json()},
                     {"error", job.error.empty() ? Json() : Json(job.error)},
                     {"pid", job.process.pid > 0 ? Json(job.process.pid) : Json()}};
  return lossy_dump(json);
}

MetricLines metric_lines(const std::string& text) {
  MetricLines out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (Json::accept(line)) {
      out.json += (out.count++ ? "," : "") + line;
    } else {
      out.json += out.count++ ? ",null" : "null";
    }
  return out;
}

std::string metrics_event(const std::string& id, size_t from, const std::string& lines) {
  const std::string run = Json(id).dump();
  return "{\"job\":" + run + ",\"run\":" + run + ",\"from\":" + std::to_string(from) +
         ",\"lines\":[" + lines + "]}";
}

std::string removed_event(const std::string& id) { return Json{{"job", id}}.dump(); }

}  // namespace espalier::app
