// The folder of a run: what it was asked, where it ran, what it measured, what it looks like.
#pragma once

#include <cstdio>
#include <string>

#include "nn/trainer.h"

namespace espalier::app {

// "runs/<name>-<date>-<time>", for who names no folder.
std::string default_run_dir(const std::string& name);

// Makes `folder` with checkpoints/ and plots/ in it, and writes `config`, JSON text, as
// config.json, and env.json. Throws a file error when the folder holds a run already (pass
// --resume) or cannot be made.
void create_run_folder(const std::string& folder, const std::string& config);

// Makes `folder`, for a run that ends with one result, the file `result`, and writes env.json. A
// file error where that is there already.
void create_result_folder(const std::string& folder, const std::string& result);

// CPU, ISA, threads, compiler and commit, as JSON text.
std::string environment_json();

// metrics.jsonl: one JSON object a line, appended as they come.
class MetricsFile {
 public:
  // Lines of an earlier part of the run past `step` are dropped: they will be written again.
  MetricsFile(const std::string& folder, int64_t step);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;
  void add(const StepReport& report);
  void add(const EpochReport& report);
  // A JSON object with a field "step".
  void write(const std::string& line);

 private:
  const std::string path_;
  std::FILE* file_;
};

// Draws plots/loss.png and plots/accuracy.png from metrics.jsonl and writes report.md.
void write_report(const std::string& folder, const TrainConfig& config);

}  // namespace espalier::app
