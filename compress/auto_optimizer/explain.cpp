#include "compress/auto_optimizer/explain.h"

#include <algorithm>
#include <cstdio>

#include "engine/io/json.h"
#include "nn/model_file.h"

namespace espalier {
namespace {

std::string text(const char* format, double value) {
  char out[64];
  std::snprintf(out, sizeof out, format, value);
  return out;
}

std::string in_microseconds(double seconds) { return text("%.1f us", 1e6 * seconds); }

// The reason for one form, from the times and distances of all.
std::string reason_for(PartForm form, const std::array<PartCost, form_count>& costs,
                       bool has_codes) {
  const auto cost = [&](PartForm f) { return costs[static_cast<size_t>(f)]; };
  PartForm fastest = PartForm::f32, fastest_float = PartForm::f32;
  for (PartForm f : part_forms) {
    if (f == PartForm::int8 && !has_codes) continue;
    if (cost(f).seconds < cost(fastest).seconds) fastest = f;
    if (f != PartForm::int8 && cost(f).seconds < cost(fastest_float).seconds) fastest_float = f;
  }
  const std::string times = [&](PartForm other) {
    return in_microseconds(cost(form).seconds) + " expected against " +
           in_microseconds(cost(other).seconds) + " in " + form_name(other);
  }(form == PartForm::int8 ? fastest_float : PartForm::int8);
  if (!has_codes) return "has no form in whole numbers; its weights follow the rest";
  if (form == PartForm::int8)
    return (fastest == form ? "faster: " : "smaller, though not faster: ") + times;
  if (cost(form).seconds <= cost(PartForm::int8).seconds) return "int8 is slower here: " + times;
  return "int8 is faster (" + times + ") but moves logits by " +
         text("%.2g", cost(PartForm::int8).distance) + " (mean square)";
}

std::string table_of_models(const Optimization& result) {
  std::string out =
      "| model | from | expected | measured | spread | accuracy | file | |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (size_t i = 0; i < result.models.size(); ++i) {
    const OptimizedModel& at = result.models[i];
    std::string roles;
    for (const std::string& role : at.roles) roles += (roles.empty() ? "" : ", ") + role;
    const bench::Summary& seconds = at.metrics.speeds[0].seconds;
    out += "| " + at.name() + " | " + roles + " | " +
           (at.expected_seconds > 0 ? text("%.3f ms", 1e3 * at.expected_seconds) : "") + " | " +
           text("%.3f ms", 1e3 * seconds.median) + " | " + text("%.1f %%", 100 * seconds.spread()) +
           " | " + text("%.2f %%", 100 * at.judged.accuracy) + " | " +
           text("%.2f MB", 1e-6 * at.judged.bytes) + " | " +
           (result.chosen == i ? "**chosen**" : "") +
           (result.chosen == i && at.on_front ? ", " : "") + (at.on_front ? "on the front" : "") +
           " |\n";
  }
  return out;
}

std::string table_of_parts(const Optimization& result) {
  std::string out =
      "| part | form | f32 | f16 | bf16 | int8 | measured | longest step | bound by | why |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const PartChoice& choice : result.why) {
    out += "| " + choice.part + " | " + form_name(choice.form);
    for (double seconds : choice.expected) out += " | " + in_microseconds(seconds);
    out += " | " + in_microseconds(choice.measured) + " | " + choice.kernel + " | " + choice.bound +
           " | " + choice.reason + " |\n";
  }
  return out;
}

// How many times as long the slowest model of the measured front takes as its fastest.
double times_of_front(const Optimization& result) {
  const std::vector<size_t> front = result.measured_front();
  return result.models[front.back()].judged.seconds / result.models[front.front()].judged.seconds;
}

std::string front_text(const Optimization& result) {
  const std::vector<size_t> front = result.measured_front();
  const auto end = [&](size_t i) {
    const MeasuredPoint& at = result.models[i].judged;
    return text("%.3f ms", 1e3 * at.seconds) + text(" (%.2f %%)", 100 * at.accuracy);
  };
  return "The front has " + std::to_string(front.size()) + " of these " +
         std::to_string(result.models.size()) +
         " models, which no other is as fast and as accurate as, from " + end(front.front()) +
         " to " + end(front.back()) + text(": %.1f times as long.", times_of_front(result)) +
         " Neighbours that differ by less than their spread, or by a few images, may differ by "
         "chance.";
}

std::string budget_text(const Budget& budget) {
  std::string out;
  const auto add = [&](const std::string& part) { out += (out.empty() ? "" : ", ") + part; };
  if (budget.bytes) add("at most " + text("%.3f MB", 1e-6 * *budget.bytes));
  if (budget.seconds) add("at most " + text("%.3f ms", 1e3 * *budget.seconds));
  if (budget.accuracy) add("at least " + text("%.2f %%", 100 * *budget.accuracy));
  return out;
}

Json json_of(const OptimizedModel& at) {
  Json speeds = Json::array();
  for (const ModelMetrics::Speed& speed : at.metrics.speeds)
    speeds.push_back({{"batch", speed.batch},
                      {"seconds", speed.seconds.median},
                      {"spread", speed.seconds.spread()},
                      {"times_as_fast", speed.times_as_fast}});
  return {{"name", at.name()},
          {"path", at.metrics.path},
          {"from", at.roles},
          {"expected_seconds", at.expected_seconds},
          {"judged_seconds", at.judged.seconds},
          {"validation_accuracy", at.judged.accuracy},
          {"file_bytes", at.metrics.file_bytes},
          {"parameters", at.metrics.parameters},
          {"speeds", speeds},
          {"on_front", at.on_front}};
}

}  // namespace

std::vector<PartChoice> explain(const CostTable& table, const OptimizedModel& model,
                                const bench::HardwareProfile& here, int64_t batch, int threads) {
  const LoadedModel loaded = load_model(model.metrics.path);
  const std::vector<PartCost> measured = part_costs(
      table.parts, bench::profile_model(loaded.config, {loaded.graph, loaded.options.weights},
                                        batch, threads, 0.5, &here));
  const Candidate& candidate = model.candidate;
  const LevelCosts& level = level_at(table, candidate.sparsity);
  std::vector<PartChoice> out;
  for (size_t p = 0; p < level.parts.size(); ++p) {
    const bool has_codes = p < table.parts.size();
    PartChoice choice;
    choice.part = has_codes ? table.parts[p].name : "the rest";
    choice.form = has_codes && candidate.integer[p] ? PartForm::int8 : form_of(candidate.floats);
    for (size_t f = 0; f < form_count; ++f) choice.expected[f] = level.parts[p][f].seconds;
    choice.measured = measured[p].seconds;
    choice.kernel = measured[p].kernel;
    choice.bound = measured[p].bound;
    choice.reason = reason_for(choice.form, level.parts[p], has_codes);
    out.push_back(std::move(choice));
  }
  return out;
}

std::string why_report(const Optimization& result, const OptimizeOptions& options) {
  const OptimizedModel& rule = result.models[result.rule];
  std::string out = "Target: " + options.target;
  if (options.budget.any()) out += "; budget: " + budget_text(options.budget);
  out += ".\n\n";
  if (result.chosen)
    out += "Chosen: **" + result.models[*result.chosen].name() + "**; the rule of thumb would be " +
           rule.name() + ".";
  else
    out += "No model meets the budget; " + result.models[result.nearest].name() + " comes nearest.";
  if (result.chosen &&
      result.models[*result.chosen].judged.seconds > result.models[0].judged.seconds)
    out += " It is slower than the model before: nothing quicker meets what was asked for.";
  if (options.machine)
    out += " Judged by the times to be expected on " + options.machine->cpu +
           " from its profile: nothing was measured there.";
  out += "\n\nAccuracy is of images held out of training and calibration, time of a batch of " +
         std::to_string(options.batch) + ", medians of turns.\n\n" + table_of_models(result) +
         "\n" + front_text(result) + "\n";
  if (!result.why.empty())
    out += "\nTimes of each part, as expected in each form and as measured in the chosen one:\n\n" +
           table_of_parts(result);
  return out;
}

std::string optimization_json(const Optimization& result, const OptimizeOptions& options) {
  Json models = Json::array(), why = Json::array();
  for (const OptimizedModel& at : result.models) models.push_back(json_of(at));
  for (const PartChoice& choice : result.why) {
    Json expected = Json::object();
    for (PartForm form : part_forms)
      expected[form_name(form)] = choice.expected[static_cast<size_t>(form)];
    why.push_back({{"part", choice.part},
                   {"form", form_name(choice.form)},
                   {"expected_seconds", expected},
                   {"measured_seconds", choice.measured},
                   {"kernel", choice.kernel},
                   {"bound", choice.bound},
                   {"reason", choice.reason}});
  }
  Json out = {{"target", options.target},
              {"batch", options.batch},
              {"models", models},
              {"rule_of_thumb", result.rule},
              {"nearest", result.nearest},
              {"front_of_search", result.front.size()},
              {"measured_front", result.measured_front()},
              {"times_of_front", times_of_front(result)},
              {"why", why}};
  if (result.chosen) out["chosen"] = *result.chosen;
  return out.dump(2);
}

}  // namespace espalier
