#include "compress/efficiency_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "bench/axis.h"
#include "bench/hardware.h"
#include "compress/comparison_plots.h"
#include "compress/comparison_table.h"
#include "compress/mcnemar.h"
#include "compress/metrics_json.h"
#include "compress/provenance.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier {
namespace {

using bench::fixed;
using Speed = ModelMetrics::Speed;

constexpr const char* picture = "comparison.png";

std::string p_text(double p) {
  if (p < 1e-4) return "p < 0.0001";
  char text[32];
  std::snprintf(text, sizeof text, "p = %.2g", p);
  return text;
}

std::string points(double share) {
  const double size = 100 * std::abs(share);
  return fixed(size, 2) + (fixed(size, 2) == "1.00" ? " point" : " points");
}

std::string batch_words(int64_t batch) {
  return batch == 1 ? "for one image at a time" : "for " + std::to_string(batch) + " at once";
}

// Whether the ratio of two timings is no larger than what they vary by themselves.
bool within_spread(const Speed& speed, const Speed& first) {
  return std::abs(std::log(speed.times_as_fast)) <= speed.seconds.spread() + first.seconds.spread();
}

std::string speed_words(const ModelMetrics& model, const ModelMetrics& first) {
  std::string text;
  for (size_t i = 0; i < model.speeds.size(); ++i) {
    const Speed& speed = model.speeds[i];
    text += (i == 0 ? "is " : " and ") + fixed(speed.times_as_fast, 2) + " times as fast " +
            batch_words(speed.batch);
    if (within_spread(speed, first.speeds[i])) text += " (no more than the timings vary)";
  }
  return text;
}

std::string accuracy_words(const ModelMetrics& model, const ModelMetrics& first) {
  const Evaluation &now = model.evaluation, &then = first.evaluation;
  const PairedTest test = mcnemar(first.right, model.right);
  const std::string share = fixed(100 * now.accuracy(), 2) + " %";
  const std::string of = " of " + fixed(static_cast<double>(now.samples), 0) + " test images";
  if (test.won == test.lost)
    return "It classifies " + share + of + " right, exactly as many as " + first.label + ".";
  return "It classifies " + share + of + " right instead of " + fixed(100 * then.accuracy(), 2) +
         " %: " + points(test.difference()) + (test.difference() < 0 ? " lost" : " gained") + ", " +
         (test.significant() ? "which is more than chance explains ("
                             : "which chance alone may explain (") +
         p_text(test.p) + ").";
}

void check(std::span<const ModelMetrics> models, const ReportOptions& options) {
  constexpr const char* name = "create_efficiency_report";
  if (models.empty()) argument_error(name, "models", "none", "at least one", "");
  for (const ModelMetrics& m : models)
    if (m.right.size() != models[0].right.size())
      argument_error(name, m.label.c_str(),
                     "tested on " + std::to_string(m.right.size()) + " images",
                     std::to_string(models[0].right.size()) + " as " + models[0].label, "");
  if (!options.headline.empty() &&
      std::none_of(models.begin(), models.end(),
                   [&](const ModelMetrics& m) { return m.label == options.headline; }))
    argument_error(name, "headline", "'" + options.headline + "'", "the label of a model", "");
}

// The caller's, or what this library knows by itself.
Json environment_of(const ReportOptions& options) {
  if (options.environment.empty())
    return {{"cpu", bench::cpu_name()}, {"isa", isa_name(isa_limit())}, {"threads", num_threads()}};
  const Json given = Json::parse(options.environment, nullptr, false);
  if (!given.is_object())
    argument_error("create_efficiency_report", "environment", "'" + options.environment + "'",
                   "a JSON object", "");
  return given;
}

const ModelMetrics& headline_of(std::span<const ModelMetrics> models, const std::string& label) {
  for (const ModelMetrics& m : models)
    if (m.label == label) return m;
  return models.back();
}

std::string significance_table(std::span<const ModelMetrics> models) {
  const std::string& first = models[0].label;
  std::vector<std::vector<std::string>> rows = {{"model", "difference (points)",
                                                 "only " + first + " right", "only this one right",
                                                 "more than chance?"}};
  for (const ModelMetrics& m : models.subspan(1)) {
    const PairedTest test = mcnemar(models[0].right, m.right);
    rows.push_back(
        {m.label, fixed(100 * test.difference(), 2) + " ± " + fixed(100 * test.half_interval(), 2),
         std::to_string(test.lost), std::to_string(test.won),
         (test.significant() ? "yes, " : "no, ") + p_text(test.p)});
  }
  return markdown_table(rows);
}

std::string spread_table(std::span<const ModelMetrics> models) {
  std::vector<std::string> heading = {"model"};
  for (const Speed& speed : models[0].speeds)
    heading.insert(heading.end(), {"spread, batch " + std::to_string(speed.batch),
                                   "times as fast as " + models[0].label});
  std::vector<std::vector<std::string>> rows = {heading};
  for (const ModelMetrics& m : models) {
    rows.push_back({m.label});
    for (const Speed& speed : m.speeds)
      rows.back().insert(rows.back().end(), {"± " + fixed(100 * speed.seconds.spread(), 1) + " %",
                                             fixed(speed.times_as_fast, 2)});
  }
  return markdown_table(rows);
}

std::string energy_words(std::span<const ModelMetrics> models) {
  if (models[0].speeds.empty()) return "";
  if (const std::string& absent = models[0].energy_absent; !absent.empty())
    return "Energy is not told: " + absent + ".\n\n";
  return "Energy is that of the processor's packages and their memory while one model ran, "
         "whatever "
         "else ran then included.\n\n";
}

std::string models_list(std::span<const ModelMetrics> models) {
  std::string text;
  for (const ModelMetrics& m : models)
    text += "- **" + m.label + "** (`" + std::filesystem::path(m.path).filename().string() +
            "`): " + provenance(m.dtype, m.metadata) + ". " +
            fixed(static_cast<double>(m.flops) * 1e-6, 2) + " million operations an image.\n";
  return text + "\n";
}

std::string timing_words(std::span<const ModelMetrics> models) {
  if (models[0].speeds.empty()) return "Nothing was timed.\n\n";
  return "The compiled plan of each file was timed on the first test images, all models taking "
         "turns in "
         "every round, so that a disturbance meets them alike; times are medians of rounds, the "
         "spread is half the distance between their quartiles, and \"times as fast\" is the median "
         "of the ratios of the same rounds.\n\n" +
         spread_table(models) + "\n";
}

std::string named_summary(const ModelMetrics& model, const ModelMetrics& first) {
  return "**" + model.label + "** (" + provenance_in_short(model.dtype, model.metadata) + ") " +
         summary_of(model, first) + "\n\n";
}

std::string report_text(std::span<const ModelMetrics> models, const ReportOptions& options,
                        const Json& environment) {
  const ModelMetrics &first = models[0], &headline = headline_of(models, options.headline);
  std::string text = "# " + options.title + "\n\n";
  if (models.size() > 1) text += named_summary(headline, first);
  text += comparison_table(models) + "\n";
  text +=
      "Memory is what a plan takes while it runs: packed weights, and activations on every thread. "
      "Accuracy stands with its 95 % interval.\n\n" +
      energy_words(models);
  for (const std::string& warning : warnings_of(models)) text += "> " + warning + "\n>\n";
  if (text.ends_with(">\n")) text.resize(text.size() - 2), text += "\n";
  text += std::string("![sizes, speeds and accuracies](") + picture + ")\n\n";
  for (const ModelMetrics& m : models.subspan(1))
    if (&m != &headline) text += named_summary(m, first);
  for (const ReportSection& section : options.sections)
    text += "## " + section.title + "\n\n" + section.text + "\n\n";
  text += "## What each file is\n\n" + models_list(models);
  if (models.size() > 1)
    text += "## Gained and lost, or chance?\n\n" + significance_table(models) +
            "\nBoth models saw the same images, so only those count that one alone has right "
            "(McNemar's exact test). Below p = 0.05 a difference is called more than chance: of "
            "twenty models that are no worse, one is then called so all the same.\n\n";
  text += "## How it was measured\n\n" + timing_words(models);
  for (const auto& [name, value] : environment.items())
    text +=
        "- " + name + ": " + (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
  if (!options.command.empty())
    text += "\nAll of it again:\n\n```sh\n" + options.command + "\n```\n";
  return text;
}

Json report_json(std::span<const ModelMetrics> models, const ReportOptions& options,
                 const Json& environment) {
  Json listed = Json::array();
  for (const ModelMetrics& m : models) {
    Json each = Json::parse(to_json(m));
    each["how"] = provenance(m.dtype, m.metadata);
    if (&m != &models[0]) {
      const PairedTest test = mcnemar(models[0].right, m.right);
      each["against_first"] = {{"accuracy_difference", test.difference()},
                               {"half_interval_95", test.half_interval()},
                               {"only_first_right", test.lost},
                               {"only_this_right", test.won},
                               {"p", test.p},
                               {"significant", test.significant()}};
    }
    listed.push_back(each);
  }
  Json sections = Json::array();
  for (const ReportSection& section : options.sections)
    sections.push_back({{"title", section.title}, {"text", section.text}});
  const ModelMetrics& headline = headline_of(models, options.headline);
  return {{"title", options.title},
          {"headline", headline.label},
          {"summary", models.size() > 1 ? summary_of(headline, models[0]) : ""},
          {"models", listed},
          {"energy_absent", models[0].energy_absent},
          {"warnings", warnings_of(models)},
          {"sections", sections},
          {"environment", environment},
          {"command", options.command}};
}

}  // namespace

std::string summary_of(const ModelMetrics& model, const ModelMetrics& first) {
  std::string text = "takes " + size_text(model.file_bytes) + " on disk instead of " +
                     size_text(first.file_bytes) + " and " + size_text(model.memory_bytes) +
                     " of memory instead of " + size_text(first.memory_bytes);
  if (!model.speeds.empty()) text += ", and " + speed_words(model, first);
  return text + ". " + accuracy_words(model, first);
}

std::vector<std::string> warnings_of(std::span<const ModelMetrics> models) {
  constexpr double noisy = 0.1;
  constexpr int64_t few = 1000;
  std::vector<std::string> out;
  for (const ModelMetrics& m : models)
    for (size_t i = 0; i < m.speeds.size(); ++i) {
      const Speed& speed = m.speeds[i];
      const std::string where = m.label + ", batch " + std::to_string(speed.batch) + ": ";
      if (speed.seconds.spread() > noisy)
        out.push_back(where + "timings vary by ± " + fixed(100 * speed.seconds.spread(), 0) +
                      " %; something else ran on this machine.");
      if (&m != &models[0] && within_spread(speed, models[0].speeds[i]))
        out.push_back(where + fixed(speed.times_as_fast, 2) +
                      " times as fast is within what the timings vary by.");
    }
  for (const ModelMetrics& m : models.subspan(std::min<size_t>(1, models.size())))
    if (const PairedTest test = mcnemar(models[0].right, m.right);
        !test.significant() && test.won != test.lost)
      out.push_back(m.label + ": its difference in accuracy from " + models[0].label +
                    " may be chance (" + p_text(test.p) + ").");
  if (!models.empty() && models[0].evaluation.samples < few)
    out.push_back("Only " + std::to_string(models[0].evaluation.samples) +
                  " images were tested: accuracies are known roughly.");
  return out;
}

void create_efficiency_report(std::span<const ModelMetrics> models, const std::string& folder,
                              const ReportOptions& options) {
  check(models, options);
  const Json environment = environment_of(options);
  make_folder(folder);
  plot_optimization_comparison(models, folder + "/" + picture);
  write_atomically(folder + "/report.json",
                   report_json(models, options, environment).dump(2) + "\n");
  write_atomically(folder + "/report.md", report_text(models, options, environment));
}

}  // namespace espalier
