// The models that the page offers: built-in ones, those of models/ and those that runs have made.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/serve/job_command.h"
#include "app/serve/run_files.h"

namespace espalier::app {

struct ListedModel {
  std::string id, name, source;  // "run", "models", "built-in"
  std::string run{};             // id; empty outside one
  std::string path{};            // empty for a built-in one
  int64_t bytes = 0;
  double modified = 0;
  std::string about{};  // what its header says, as JSON: parameters, dtype, fp32, accuracy, config
};

class ModelList {
 public:
  ModelList(std::string runs, std::string models)
      : runs_(std::move(runs)), models_(std::move(models)) {}

  std::vector<ListedModel> all();
  std::vector<ListedModel> of_run(const RunFolder& run);
  std::optional<ListedModel> find(const std::string& id);
  ModelLookup lookup();

  // The answer of /api/models.
  std::string json();

 private:
  // Reads the header of a file, or remembers it while the file stays the same; empty for a file
  // that holds no model of ours.
  std::string about_file(const std::string& path, int64_t bytes, double modified);

  const std::string runs_, models_;
  std::mutex mutex_;
  std::map<std::string, std::pair<std::string, std::string>> known_;  // path: {stamp, about}
};

}  // namespace espalier::app
