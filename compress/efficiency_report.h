// A folder that tells what compression gained and what it cost: report.md for people, report.json
// for programs, comparison.png.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compress/benchmark_models.h"

namespace espalier {

// A part that the caller adds. The text is Markdown; pictures that it shows lie in the folder.
struct ReportSection {
  std::string title, text;
};

struct ReportOptions {
  std::string title = "What compression gained and what it cost";
  std::string headline =
      {};  // label of the model that the first paragraph is about; empty: the last
  std::string command = {};  // that does all of it again; empty: not told
  std::string environment =
      {};  // a JSON object: cpu, isa, threads, version, ...; empty: what is known
  std::vector<ReportSection> sections = {};  // after the table and its picture
};

// How a model compares with the first one, as sentences: size, speed, memory, and accuracy with
// whether chance explains its difference.
std::string summary_of(const ModelMetrics& model, const ModelMetrics& first);

// What a reader of these figures has to know so as not to be misled, a sentence each: differences
// within their noise, timings that were disturbed, tests of few images.
std::vector<std::string> warnings_of(std::span<const ModelMetrics> models);

// Writes the three files into `folder`, which is made where it is absent, each of them atomically.
// The first model is what the others are held against. Argument errors: no models, a headline that
// is no label, an environment that is no JSON object, models tested on unlike images or timed at
// unlike batch sizes; file errors where a file cannot be written.
void create_efficiency_report(std::span<const ModelMetrics> models, const std::string& folder,
                              const ReportOptions& options = {});

}  // namespace espalier
