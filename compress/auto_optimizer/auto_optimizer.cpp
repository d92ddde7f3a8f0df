#include "compress/auto_optimizer/auto_optimizer.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "compress/auto_optimizer/explain.h"
#include "compress/comparison_plots.h"
#include "engine/error.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "nn/model_file.h"

namespace espalier {
namespace {

constexpr const char* name_of_optimizer = "AutoOptimizer";
constexpr int64_t distance_images = 128;  // that distances between logits are of

std::string slug(const Candidate& candidate, size_t number) {
  char text[64];
  const char* form = candidate.all_integer()   ? "int8"
                     : candidate.any_integer() ? "mixed"
                                               : dtype_name(candidate.floats);
  std::snprintf(text, sizeof text, "%02zu-%s-%g", number, form, 100 * candidate.sparsity);
  return text;
}

class Run {
 public:
  Run(const OptimizeOptions& options, const OptimizeData& data, const OptimizeHooks& hooks,
      std::string path, std::string folder)
      : options_(options),
        data_(data),
        hooks_(hooks),
        path_(std::move(path)),
        folder_(std::move(folder)),
        threads_(options.threads > 0 ? options.threads : num_threads()),
        loaded_(load_model(path_)) {
    if (!loaded_.model)
      argument_error(name_of_optimizer, "model", "in whole numbers already", "an fp32 model", "");
    out_.table.parts = int8_parts(loaded_.graph);
  }

  std::optional<Optimization> run() {
    check_before_work();
    std::filesystem::create_directories(folder_);
    if (!options_.here) tell("measuring this machine");
    out_.here = options_.here ? *options_.here
                              : bench::measure_hardware_within(20 * options_.profile_seconds);
    if (!make_levels()) return std::nullopt;
    measure_costs();
    out_.front = pareto_search(out_.table, {.seed = options_.seed});
    tell("search: " + std::to_string(out_.front.size()) + " candidates are worth a look");
    gather();
    make();
    measure();
    choose_one();
    return std::move(out_);
  }

 private:
  // What could only fail after hours fails now.
  void check_before_work() const {
    pruned_to(*loaded_.model, rule_of_thumb(options_.target).sparsity);
    if (!options_.machine) return;
    for (DType arithmetic : bench::arithmetics)
      if (!bench::best_peak(*options_.machine, arithmetic, threads_))
        argument_error(name_of_optimizer, "machine",
                       std::string("without a peak of ") + bench::arithmetic_name(arithmetic) +
                           " on " + std::to_string(threads_) + " threads",
                       "one", "run with as many threads as it was measured on");
  }

  void tell(const std::string& line) const {
    if (hooks_.tell) hooks_.tell(line);
  }

  std::vector<double> sparsities() const {
    std::vector<double> out = options_.levels;
    out.push_back(0);
    for (const NamedChoice& choice : presets) out.push_back(choice.sparsity);
    for (const NamedChoice& choice : rules_of_thumb) out.push_back(choice.sparsity);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  // Each level is pruned from the one before, as training has left it.
  bool make_levels() {
    const VisionTransformer* last = loaded_.model.get();
    for (double sparsity : sparsities()) {
      if (sparsity == 0) continue;
      auto pruned = pruned_to(*last, sparsity);
      if (!pruned) break;
      auto trained = hooks_.recover ? hooks_.recover(*pruned, sparsity) : std::move(pruned);
      if (!trained) return false;
      trained->eval();
      last = (levels_[sparsity] = std::move(trained)).get();
    }
    return true;
  }

  void measure_costs() {
    const int64_t held = std::min(distance_images, data_.calibration.size());
    const Tensor inputs = normalized(slice(data_.calibration.images, 0, 0, held), loaded_.config);
    std::vector<LevelModel> levels = {{0, loaded_.model.get()}};
    for (const auto& [sparsity, model] : levels_) levels.push_back({sparsity, model.get()});
    const bench::HardwareProfile* machine = options_.machine ? &*options_.machine : nullptr;
    out_.table.levels = measure_levels(
        levels, inputs, compile(loaded_.graph)(inputs), out_.here,
        {options_.batch, threads_, options_.profile_seconds, machine}, [this](double sparsity) {
          tell("measuring the parts of " + Candidate{.sparsity = sparsity}.name());
        });
  }

  // Null where the model is too narrow to lose so much.
  std::unique_ptr<VisionTransformer> pruned_to(const VisionTransformer& model,
                                               double sparsity) const {
    PruneOptions how = options_.pruning;
    how.selection.fraction = sparsity;
    how.selection.whole = whole_cost(*loaded_.model, how);
    try {
      return prune_model(model, how, data_.calibration).model;
    } catch (const Error& error) {
      const bool needed = sparsity <= rule_of_thumb(options_.target).sparsity;
      if (needed || error.kind() != ErrorKind::argument) throw;
      tell("nothing is" + Candidate{.sparsity = sparsity}.name().substr(4) +
           " or more: " + error.what());
      return nullptr;
    }
  }

  bool has_level(double sparsity) const { return sparsity == 0 || levels_.count(sparsity); }

  void add(const Candidate& candidate, const std::string& role) {
    for (OptimizedModel& at : out_.models)
      if (at.candidate == candidate) return at.roles.push_back(role);
    out_.models.push_back({.candidate = candidate, .roles = {role}});
  }

  void gather() {
    const size_t parts = out_.table.parts.size();
    out_.models.push_back({.candidate = uniform_candidate("f32", 0, parts), .roles = {"before"}});
    for (const NamedChoice& rule : rules_of_thumb)
      if (has_level(rule.sparsity))
        add(uniform_candidate(rule.dtype, rule.sparsity, parts),
            std::string("rule of thumb for ") + rule.name);
    for (const NamedChoice& choice : presets)
      if (has_level(choice.sparsity))
        add(uniform_candidate(choice.dtype, choice.sparsity, parts),
            std::string("preset ") + choice.name);
    std::vector<Candidate> gathered;
    for (const OptimizedModel& at : out_.models) gathered.push_back(at.candidate);
    for (const Candidate& found : worth_making(out_.table, out_.front, options_.points, gathered))
      add(found, "search");
  }

  void make() {
    out_.models[0].metrics.path = path_;
    for (size_t i = 1; i < out_.models.size(); ++i) {
      OptimizedModel& at = out_.models[i];
      at.expected_seconds = expect(out_.table, at.candidate).seconds;
      at.metrics.path = folder_ + "/" + slug(at.candidate, i) + ".safetensors";
      write(at);
    }
  }

  void write(const OptimizedModel& at) const {
    const Candidate& c = at.candidate;
    const VisionTransformer& model = c.sparsity > 0 ? *levels_.at(c.sparsity) : *loaded_.model;
    const std::map<std::string, std::string> notes = {{"espalier.form", c.name()}};
    if (!c.any_integer()) return save_model(at.metrics.path, model, notes, c.floats);
    const Graph graph = capture(model);
    QuantizeOptions how = options_.quantization;
    how.keep = c.kept(out_.table.parts);
    const IntegerModel made =
        quantize_model(graph, normalized(data_.calibration.images, model.config), how);
    save_int8_model(at.metrics.path, model.config, made.graph, made.parameters, notes, c.floats);
  }

  void measure() {
    tell("measuring " + std::to_string(out_.models.size()) + " models in turns");
    std::vector<std::string> paths;
    for (const OptimizedModel& at : out_.models) paths.push_back(at.metrics.path);
    const auto metrics = benchmark_models(
        paths, data_.validation,
        {.batches = options_.batches(), .threads = threads_, .measure = options_.measure});
    for (size_t i = 0; i < metrics.size(); ++i) {
      OptimizedModel& at = out_.models[i];
      at.metrics = metrics[i];
      const double seconds = options_.machine ? expect(out_.table, at.candidate).seconds
                                              : at.metrics.speeds[0].seconds.median;
      at.judged = {seconds, at.metrics.evaluation.accuracy(),
                   static_cast<double>(at.metrics.file_bytes)};
    }
  }

  void choose_one() {
    std::vector<MeasuredPoint> points;
    for (const OptimizedModel& at : out_.models) points.push_back(at.judged);
    for (size_t i : out_.measured_front()) out_.models[i].on_front = true;
    const NamedChoice& rule = rule_of_thumb(options_.target);
    const Candidate ruled = uniform_candidate(rule.dtype, rule.sparsity, out_.table.parts.size());
    while (!(out_.models[out_.rule].candidate == ruled)) ++out_.rule;
    out_.chosen = choose(points, options_.target, options_.budget, out_.rule);
    out_.nearest = nearest(points, options_.budget);
    if (out_.chosen)
      out_.why =
          explain(out_.table, out_.models[*out_.chosen], out_.here, options_.batch, threads_);
  }

  const OptimizeOptions& options_;
  const OptimizeData& data_;
  const OptimizeHooks& hooks_;
  const std::string path_, folder_;
  const int threads_;
  const LoadedModel loaded_;
  std::map<double, std::unique_ptr<VisionTransformer>> levels_;  // by sparsity, without 0
  Optimization out_;
};

void validate(const OptimizeOptions& options) {
  rule_of_thumb(options.target);
  for (double level : options.levels)
    if (!(level > 0 && level < 1))
      argument_error(name_of_optimizer, "levels", std::to_string(level), "above 0 and below 1", "");
  if (options.points < 2)
    argument_error(name_of_optimizer, "points", std::to_string(options.points), "2 or more", "");
  if (options.batch < 1)
    argument_error(name_of_optimizer, "batch", std::to_string(options.batch), "1 or more", "");
}

}  // namespace

std::vector<int64_t> OptimizeOptions::batches() const {
  if (batch == 256) return {batch};
  return {batch, 256};
}

std::vector<size_t> Optimization::measured_front() const {
  std::vector<ParetoPoint> places;
  for (const OptimizedModel& at : models)
    places.push_back({"", at.judged.seconds, at.judged.accuracy, ""});
  return pareto_front(places);
}

std::string OptimizedModel::name() const {
  return roles.front() == "before" ? "before" : candidate.name();
}

AutoOptimizer::AutoOptimizer(std::string path, OptimizeOptions options, OptimizeData data,
                             OptimizeHooks hooks)
    : path_(std::move(path)),
      options_(std::move(options)),
      data_(std::move(data)),
      hooks_(std::move(hooks)) {
  validate(options_);
}

std::optional<Optimization> AutoOptimizer::optimize_model(const std::string& folder) const {
  return Run(options_, data_, hooks_, path_, folder).run();
}

}  // namespace espalier
