// A job as JSON: in its folder's job.json, and for the page.
#pragma once

#include <optional>
#include <string>

#include "app/serve/job_queue.h"

namespace espalier::app {

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
