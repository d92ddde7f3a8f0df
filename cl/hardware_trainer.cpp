#include "cl/hardware_trainer.h"

#include <cmath>
#include <filesystem>

#include "cl/artefact.h"
#include "cl/learn_config.h"
#include "cl/purposes.h"
#include "cl/recovery.h"
#include "compress/auto_optimizer/candidate.h"
#include "compress/pruning/prune.h"
#include "engine/error.h"
#include "engine/io/json.h"
#include "engine/ops/cat.h"
#include "engine/ops/view.h"
#include "nn/evaluate.h"

namespace espalier {
namespace {

constexpr const char* name = "HardwareOptimizedTrainer";
constexpr const char* folder = "artefacts";
constexpr const char* options_key = "hardware_options";
constexpr const char* efficiency_key = "efficiency";

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

// What shapes an artefact's bits. What is measured of it, and how, may change between parts of a
// run.
std::string text_of(const HardwareOptions& o) {
  Json steps = Json::object();
  for (const auto& [kind, step] : o.width_steps) steps[name_of(kind)] = step;
  const Json json = {
      {"quantise", o.quantise},
      {"dtype", o.dtype},
      {"target", o.target},
      {"budget", Json::array({optional_json(o.budget.bytes), optional_json(o.budget.seconds),
                              optional_json(o.budget.accuracy)})},
      {"quantise_at_the_end", o.quantise_when == CompressWhen::at_the_end},
      {"observer", o.rounding.observer},
      {"equalize", o.rounding.equalize ? Json(*o.rounding.equalize) : Json()},
      {"bias_correction", o.rounding.bias_correction},
      {"keep", o.rounding.keep},
      {"calibration_images", o.calibration_images},
      {"prune", o.prune},
      {"sparsity", o.sparsity},
      {"sparsity_of", o.sparsity_of},
      {"prune_at_the_end", o.prune_when == CompressWhen::at_the_end},
      {"importance", o.importance},
      {"width_steps", steps},
      {"recover_epochs", o.recover_epochs},
      {"control", o.control},
  };
  return json.dump();
}

const VisionTransformer& vit_of(const Learner& learner) {
  const auto* vit = dynamic_cast<const VisionTransformer*>(learner.network.get());
  if (!vit)
    argument_error(name, "network", "'" + learner.config.network + "'", "a Vision Transformer",
                   "such as 'vit-tiny': channels of others are not pruned, nor are they rounded");
  return *vit;
}

// The test images of the first `count` tasks, one after the other.
ImageDataset tests_of(const Stream& stream, size_t count) {
  std::vector<Tensor> images, labels;
  for (size_t i = 0; i < count; ++i) {
    images.push_back(stream.tasks[i].test.images);
    labels.push_back(stream.tasks[i].test.labels);
  }
  return {cat(images, 0), cat(labels, 0), stream.tasks.front().test.class_names};
}

// Those of one task, of logits for tests_of().
struct TaskAnswers {
  const Task& task;
  std::vector<int64_t> predicted;
};
std::vector<TaskAnswers> answers_of(const Tensor& logits, const Stream& stream, size_t count) {
  std::vector<TaskAnswers> out;
  int64_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    const Task& task = stream.tasks[i];
    const Tensor rows = slice(logits, 0, begin, begin + task.test.size());
    out.push_back(
        {task, predictions(rows, stream.task_incremental ? task.classes : std::vector<int64_t>{})});
    begin += task.test.size();
  }
  return out;
}

std::vector<ClassCount> by_class(const std::vector<TaskAnswers>& answers, int64_t classes) {
  std::vector<ClassCount> counts(static_cast<size_t>(classes));
  for (const TaskAnswers& each : answers)
    count_classes(each.predicted, each.task.test.labels, counts);
  return counts;
}

std::vector<double> by_task(const std::vector<TaskAnswers>& answers, int64_t classes) {
  std::vector<double> accuracy;
  for (const TaskAnswers& each : answers) {
    std::vector<ClassCount> counts(static_cast<size_t>(classes));
    count_classes(each.predicted, each.task.test.labels, counts);
    accuracy.push_back(accuracy_of(counts));
  }
  return accuracy;
}

void check_method(const std::string& method) {
  if (const std::string why = why_no_artefact(method); !why.empty())
    argument_error(name, "method", "'" + method + "'", "one that learns what an artefact holds",
                   why);
}

void check_sparsity(const HardwareOptions& o) {
  if (!o.prune) return;
  if (!(o.sparsity > 0 && o.sparsity < 1))
    argument_error(name, "sparsity", std::to_string(o.sparsity), "above 0 and below 1",
                   "prune = false prunes nothing");
  if (o.recover_epochs < 0)
    argument_error(name, "recover_epochs", std::to_string(o.recover_epochs), "0 (none) or more",
                   "");
}

}  // namespace

void validate(const HardwareOptions& o) {
  if (o.quantise) check_artefact_dtype(name, o.dtype);
  if (!o.target.empty()) rule_of_thumb(o.target);
  if (o.budget.any() && o.target.empty())
    argument_error(name, "budget", "of a dtype that is given", "with a target", "");
  if (!o.target.empty() && !o.quantise)
    argument_error(name, "target", "'" + o.target + "'", "quantise = true", "");
  if (o.quantise && o.calibration_images < 1)
    argument_error(name, "calibration_images", std::to_string(o.calibration_images), "at least 1",
                   "");
  check_sparsity(o);
}

struct HardwareOptimizedTrainer::State {
  ContinualTrainer trainer;
  const HardwareOptions options;
  const std::string run_dir;
  EfficiencySummary summary{};
  std::unique_ptr<VisionTransformer> original{};  // as it began
  double whole = 0;                               // of it, what `sparsity` is a share of

  State(const LearnConfig& config, Stream stream, const std::string& dir,
        const HardwareOptions& how, std::unique_ptr<VisionTransformer> network, Device device)
      : trainer(config, std::move(stream), dir, std::move(network), device),
        options(how),
        run_dir(dir) {
    validate(options);
    check_method(config.method);
    original = copy_of(vit_of(learner()));
    describe();
    trainer.notes()[options_key] = text_of(options);
    if (!options.prune) return;
    if (!trainer.method().survives_pruning())
      argument_error(name, "method", "'" + config.method + "'",
                     "one that keeps nothing of the network's widths", "learn without pruning");
    whole = whole_cost(*original, pruning(0));
    check_recovery();
    prune_model(*original, pruning(options.sparsity), some_images());
  }

  const Learner& learner() const { return trainer.learner(); }
  std::string in_run(const std::string& path) const { return run_dir + "/" + path; }
  // In the run folder; `form` tells files of one task apart, such as ".int8".
  std::string path_of_task(const std::string& form = "") const;
  size_t task_count() const { return learner().stream.tasks.size(); }
  size_t done() const { return summary.tasks.size(); }
  std::unique_ptr<VisionTransformer> network() const { return copy_of(vit_of(learner())); }

  void describe();
  void check_recovery() const;
  // What share is gone after task i, from 0, by the schedule.
  double sparsity_after(size_t i) const;
  PruneOptions pruning(double sparsity) const;
  // For ranges and gradients: see the header.
  ImageDataset some_images() const;
  void compress_task();
  void prune_to(double sparsity);
  void write(TaskEfficiency& record) const;
  void write_file(const std::string& path, const VisionTransformer& model, const std::string& dtype,
                  double removed) const;
  // Writes every form, and has the record say which it is.
  void write_forms(TaskEfficiency& record, const VisionTransformer& model) const;
  void measure(TaskEfficiency& record, const ImageDataset& test);
  std::vector<ClassCount> classes_now(const ImageDataset& test) const;
};

void HardwareOptimizedTrainer::State::describe() {
  const Stream& stream = learner().stream;
  summary.network = original->config.name;
  summary.class_names = stream.tasks.front().train.class_names;
  summary.task_names = stream.task_names();
  summary.uncompressed_parameters = original->config.parameter_count();
}

void HardwareOptimizedTrainer::State::check_recovery() const {
  if (options.recover_epochs > 0 && !holds_images(learner()))
    argument_error(name, "recover_epochs", std::to_string(options.recover_epochs),
                   "0 with the method '" + learner().config.method + "'",
                   "it has no images in memory to recover on");
}

double HardwareOptimizedTrainer::State::sparsity_after(size_t i) const {
  const auto task = static_cast<int64_t>(i) + 1, tasks = static_cast<int64_t>(task_count());
  if (!options.prune) return 0;
  if (options.prune_when == CompressWhen::at_the_end) return task == tasks ? options.sparsity : 0;
  return cubic_sparsity(task, 0, tasks, 0, options.sparsity);
}

PruneOptions HardwareOptimizedTrainer::State::pruning(double sparsity) const {
  PruneOptions how;
  how.selection.fraction = sparsity;
  how.selection.whole = whole;
  how.selection.steps = options.width_steps;
  how.importance = options.importance;
  how.target = options.sparsity_of;
  how.seed = learner().seed(calibrating);
  return how;
}

ImageDataset HardwareOptimizedTrainer::State::some_images() const {
  const Learner& l = learner();
  if (holds_images(l) && l.memory->size() > 0)
    return images_of_memory(l, options.calibration_images, calibrating, done());
  const ImageDataset& train = l.stream.tasks[done()].train;
  Generator generator(l.seed(calibrating), done());
  return train.subset(sample_without_replacement(
      train.size(), std::min(options.calibration_images, train.size()), generator));
}

std::vector<ClassCount> HardwareOptimizedTrainer::State::classes_now(
    const ImageDataset& test) const {
  const auto model = network();
  return by_class(
      answers_of(logits_of(capture(*model), model->config, test), learner().stream, done() + 1),
      learner().stream.classes());
}

void HardwareOptimizedTrainer::State::prune_to(double sparsity) {
  SmallerModel smaller = prune_model(*network(), pruning(sparsity), some_images());
  trainer.replace_network(std::move(smaller.model), smaller.kept);
}

void HardwareOptimizedTrainer::State::write(TaskEfficiency& record) const {
  const bool last = done() + 1 == task_count();
  const bool rounds = options.quantise && !options.control &&
                      (last || options.quantise_when == CompressWhen::each_task);
  const auto model = network();
  record.parameters = model->config.parameter_count();
  std::filesystem::create_directories(in_run(folder));
  if (rounds && !options.target.empty()) {
    write_forms(record, *model);
  } else {
    record.dtype = rounds ? options.dtype : "f32";
    record.path = path_of_task();
    write_file(record.path, *model, record.dtype, record.sparsity);
  }
  record.file_bytes = static_cast<int64_t>(std::filesystem::file_size(in_run(record.path)));
}

std::string HardwareOptimizedTrainer::State::path_of_task(const std::string& form) const {
  return std::string(folder) + "/task-" + std::to_string(done() + 1) + form + ".safetensors";
}

void HardwareOptimizedTrainer::State::write_file(const std::string& path,
                                                 const VisionTransformer& model,
                                                 const std::string& dtype, double removed) const {
  std::map<std::string, std::string> notes = {
      {"espalier.learned_tasks", std::to_string(done() + 1)}};
  if (removed > 0)
    notes["espalier.pruned"] =
        Json(removed).dump() + " of " + options.sparsity_of + " by " + options.importance;
  save_artefact(in_run(path), model, dtype, options.rounding,
                dtype == "int8" ? some_images() : ImageDataset{}, notes);
}

void HardwareOptimizedTrainer::State::write_forms(TaskEfficiency& record,
                                                  const VisionTransformer& model) const {
  const std::vector<std::string> dtypes = artefact_dtypes();
  std::vector<std::string> files, paths;
  for (const std::string& dtype : dtypes) {
    files.push_back(path_of_task("." + dtype));
    paths.push_back(in_run(files.back()));
    write_file(files.back(), model, dtype, record.sparsity);
  }
  FormChoice choice =
      choose_form(paths, dtypes, some_images(), options.target, options.budget, options.benchmark);
  record.dtype = dtypes[choice.chosen];
  record.path = files[choice.chosen];
  record.forms = std::move(choice.forms);
  record.meets_budget = choice.meets_budget;
}

void HardwareOptimizedTrainer::State::measure(TaskEfficiency& record, const ImageDataset& test) {
  // With the notes of the others, whose bytes it is held against.
  const std::string uncompressed = std::string(folder) + "/uncompressed.safetensors";
  write_file(uncompressed, *original, "f32", 0);
  const std::string paths[] = {in_run(uncompressed), in_run(record.path)};
  const std::vector<ModelMetrics> models = benchmark_models(paths, test, options.benchmark);
  summary.uncompressed_bytes = models[0].file_bytes;
  summary.uncompressed_memory_bytes = models[0].memory_bytes;
  record.file_bytes = models[1].file_bytes;
  record.memory_bytes = models[1].memory_bytes;
  record.flops = models[1].flops;
  for (const ModelMetrics::Speed& speed : models[1].speeds)
    record.speeds.push_back(
        {speed.batch, speed.seconds.median, speed.seconds.spread(), speed.times_as_fast});
  const Stream& stream = learner().stream;
  const std::vector<TaskAnswers> answers = answers_of(models[1].logits, stream, done() + 1);
  record.accuracy = by_task(answers, stream.classes());
  record.artefact = by_class(answers, stream.classes());
}

// Nothing of it is kept before all of it is done, so that a kill in between loses only time.
void HardwareOptimizedTrainer::State::compress_task() {
  TaskEfficiency record;
  record.task = static_cast<int64_t>(done());
  record.sparsity = options.control ? 0 : sparsity_after(done());
  const bool measured = options.track || done() + 1 == task_count();
  const ImageDataset test = tests_of(learner().stream, done() + 1);
  if (measured) record.learned = classes_now(test);
  const double removed = sparsity_after(done());
  if (removed > 0) {
    if (!options.control) prune_to(removed);
    if (options.recover_epochs > 0) trainer.recover(options.recover_epochs);
  }
  if (measured) record.pruned = removed > 0 ? classes_now(test) : record.learned;
  write(record);
  if (measured) measure(record, test);
  record.ledger = trainer.ledger();
  summary.tasks.push_back(record);
  trainer.notes()[efficiency_key] = to_json(summary);
  trainer.save();
}

HardwareOptimizedTrainer::HardwareOptimizedTrainer(const LearnConfig& config, Stream stream,
                                                   std::string run_dir,
                                                   const HardwareOptions& options,
                                                   std::unique_ptr<VisionTransformer> network,
                                                   Device device)
    : state_(std::make_unique<State>(config, std::move(stream), run_dir, options,
                                     std::move(network), device)) {}
HardwareOptimizedTrainer::~HardwareOptimizedTrainer() = default;

void HardwareOptimizedTrainer::resume() {
  State& s = *state_;
  s.trainer.resume();
  const std::string path = s.trainer.last_checkpoint();
  std::map<std::string, std::string>& notes = s.trainer.notes();
  if (!notes.count(options_key)) file_error(path, "belongs to a run without compression");
  if (notes[options_key] != text_of(s.options))
    file_error(path, "belongs to a run with other options of compression");
  if (const auto found = notes.find(efficiency_key); found != notes.end())
    s.summary = efficiency_from_json(found->second, path);
  bool good = s.done() <= static_cast<size_t>(s.learner().task) &&
              s.summary.task_names == s.learner().stream.task_names();
  for (size_t i = 0; i < s.done(); ++i)
    good = good && s.summary.tasks[i].task == static_cast<int64_t>(i);
  if (!good) file_error(path, "damaged progress: artefacts of other tasks");
}

bool HardwareOptimizedTrainer::train_task(const LearnEvents& events) {
  State& s = *state_;
  if (finished())
    argument_error(name, "stream", "at its end",
                   "a task that is left of " + std::to_string(s.task_count()), "");
  const bool learned = static_cast<size_t>(s.learner().task) > s.done();
  if (!learned && !s.trainer.run_task(events)) return false;
  s.compress_task();
  return true;
}

bool HardwareOptimizedTrainer::run(const LearnEvents& events) {
  while (!finished()) {
    if (!train_task(events)) return false;
    if (events.interrupted && events.interrupted() && !finished()) return false;
  }
  return true;
}

bool HardwareOptimizedTrainer::finished() const { return state_->done() == state_->task_count(); }

const EfficiencySummary& HardwareOptimizedTrainer::get_efficiency_summary() const {
  return state_->summary;
}

void HardwareOptimizedTrainer::print_efficiency_report(std::FILE* out) const {
  std::fputs(efficiency_report(state_->summary).c_str(), out);
}

const ContinualTrainer& HardwareOptimizedTrainer::trainer() const { return state_->trainer; }

}  // namespace espalier
