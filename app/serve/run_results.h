// What a run folder's files say, for lists and charts: passed on, never computed anew.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "app/serve/run_files.h"

namespace espalier::app {

// What a report says of a model on the test images, by the name of its file without the ending.
struct TestedAccuracy {
  double accuracy, half_interval;
};
std::map<std::string, TestedAccuracy> tested_accuracies(const RunFolder& run);

// "summary" of /api/runs, by the verb, as JSON. It is remembered until one of the files that it
// comes from changes.
class RunSummaries {
 public:
  struct Summary {
    std::string title, json;
    bool finished = false;  // the run came to its end, as far as its files tell
    double started = 0, modified = 0;
  };
  Summary of(const RunFolder& run);

 private:
  std::mutex mutex_;
  std::map<std::string, std::pair<std::string, Summary>> known_;  // path: {stamp, summary}
};

// "config", "env", "metrics", "metrics_lines" and "results" of /api/runs/ID, as one JSON object.
std::string run_details_json(const RunFolder& run);

// The points of /api/pareto, less the ids of their models: {"batch", "accuracy_of", "points"}, each
// point with the "file" it was measured from, by its name without the ending. Empty where the run
// has come to no models yet.
std::string pareto_json(const RunFolder& run);

}  // namespace espalier::app
