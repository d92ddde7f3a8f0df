// A job as JSON: in its folder's job.json, and for the page.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/serve/process.h"

namespace espalier::app {

enum class JobState { queued, running, stopping, done, failed, cancelled };

const char* name_of(JobState state);

struct Job {
  std::string id, verb, title;
  std::string arguments;           // as posted, JSON
  std::vector<std::string> words;  // of the command that begins it
  JobState state = JobState::queued;
  bool resumes = false;                        // it began before, and goes on from what it saved
  double created = 0, started = 0, ended = 0;  // seconds since 1970; 0: not yet
  double queued = 0;                           // since when it waits
  ProcessId process{};
  std::optional<int> code{};
  std::string error{};
};

// None where the folder has no job.json, or one of another version.
std::optional<Job> read_job(const std::string& folder);
void write_job(const std::string& folder, const Job& job);

// What a finished process left in progress.json.
struct JobEnd {
  std::optional<int> code;
  std::string error;
};
JobEnd read_end(const std::string& folder);
// The last line of log.txt that the command complained in, without its name; empty where it did
// not.
std::string last_complaint(const std::string& folder);

// A JOB of the API.
std::string job_json(const Job& job, const std::string& folder, int position, bool has_saved);

// Lines of metrics.jsonl as a JSON array.
struct MetricLines {
  size_t count = 0;
  std::string json;
};
MetricLines metric_lines(const std::string& text);
std::string metrics_event(const std::string& id, size_t from, const std::string& lines);
std::string removed_event(const std::string& id);

}  // namespace espalier::app
