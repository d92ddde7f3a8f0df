#include "cl/continual_trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "cl/purposes.h"
#include "cl/recovery.h"
#include "engine/error.h"
#include "engine/io/crc32.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "nn/model_file.h"
#include "nn/named_tensors.h"
#include "nn/vit.h"

namespace espalier {
namespace {

constexpr const char* learning_key = "espalier.learning";
constexpr const char* progress_key = "espalier.progress";

using Clock = std::chrono::steady_clock;

std::string last_path(const std::string& run_dir) {
  return run_dir + "/checkpoints/last.safetensors";
}

ReplayMemory make_memory(const LearnConfig& config, const Method& method,
                         const Selection& selection, const Stream& stream) {
  const Shape& images = stream.tasks.front().train.images.shape();
  const RecordLayout layout{
      .item = {images[1], images[2], images[3]},
      .coding = config.coding == "u8" ? SampleCoding::pixels_u8 : SampleCoding::pixels_f32,
      .logits = method.keeps_logits() ? stream.classes() : 0,
      .score = selection.keeps_score()};
  const int64_t bytes =
      config.memory_samples > 0 ? config.memory_samples * layout.bytes() : config.memory_bytes;
  return ReplayMemory(layout, ReplayMemory::capacity_for(layout, bytes));
}

LearnConfig validated(const LearnConfig& config) {
  validate(config);
  return config;
}

void append(const std::string& prefix, const NamedTensors& from, NamedTensors& to) {
  for (const auto& [name, tensor] : from) to.emplace_back(prefix + name, tensor.detach());
}

// Of images that come with their task's classes, or of all classes.
double accuracy_on(const Task& task, const Tensor& scores, bool classes_known) {
  std::vector<ClassCount> counts(static_cast<size_t>(scores.size(1)));
  count_classes(predictions(scores, classes_known ? task.classes : std::vector<int64_t>{}),
                task.test.labels, counts);
  return accuracy_of(counts);
}

// The shape of a network whose shape may change.
std::string shape_of(const StagedModule& network) {
  const auto* vit = dynamic_cast<const VisionTransformer*>(&network);
  return vit ? to_json(vit->config) : "";
}

}  // namespace

struct ContinualTrainer::State {
  Learner learner;
  std::unique_ptr<Method> method;
  const std::string run_dir;
  AccuracyMatrix accuracy{};
  int64_t step_of_task = 0;
  double seconds = 0;
  std::vector<Ledger> ledgers{};
  int64_t rows = 0, work = 0;  // of training: see Ledger
  double work_of_row = 0;      // of the present network; 0 where unknown
  std::string begun_as{};      // the network's shape
  std::map<std::string, std::string> notes{};
  std::vector<int64_t> order{};  // of the images of the present epoch; empty where unknown

  State(const LearnConfig& config, Stream stream, std::string dir,
        std::unique_ptr<StagedModule> network)
      : learner{validated(config), std::move(stream), nullptr, nullptr, std::nullopt, nullptr},
        method(make_method(config)),
        run_dir(std::move(dir)) {
    learner.stream = method->taught(std::move(learner.stream));
    learner.network = network ? std::move(network) : make_network(config, learner.stream);
    begun_as = shape_of(*learner.network);
    renew_optimizer(learner);
    method->attach(learner);
    method->shape(learner);
    if (!method->uses_memory()) return;
    learner.selection = make_selection(
        config.selection, {.seed = learner.seed(selecting), .classes = learner.stream.classes()});
    learner.memory.emplace(make_memory(config, *method, *learner.selection, learner.stream));
  }

  int64_t task_count() const { return static_cast<int64_t>(learner.stream.tasks.size()); }
  int64_t epoch_steps(const Task& task) const {
    return (task.train.size() + learner.config.batch_size - 1) / learner.config.batch_size;
  }
  int64_t task_steps(const Task& task) const {
    const LearnConfig& c = learner.config;
    const bool first = &task == &learner.stream.tasks.front();
    const int64_t all = epoch_steps(task) * (first && c.first_epochs ? c.first_epochs : c.epochs);
    return learner.config.max_steps ? std::min(all, learner.config.max_steps) : all;
  }
  int64_t total_steps() const {
    int64_t sum = 0;
    for (const Task& task : learner.stream.tasks) sum += task_steps(task);
    return sum;
  }

  std::vector<int64_t> samples_of_step();
  LearnStep train_step();
  bool learn_task(const LearnEvents& events);
  TaskResult test();
  void begin(const LearnEvents& events);
  void count(int64_t more_rows, double passes);
  void count_beside();
  Ledger ledger() const;
  uint32_t stream_mark() const;
  void take_shape(const std::string& shape);
  void check_progress() const;
  void save_checkpoint() const;
  [[noreturn]] void stop_on(const std::string& problem) const;
};

ContinualTrainer::ContinualTrainer(const LearnConfig& config, Stream stream, std::string run_dir,
                                   std::unique_ptr<StagedModule> network)
    : state_(std::make_unique<State>(config, std::move(stream), std::move(run_dir),
                                     std::move(network))) {}
ContinualTrainer::~ContinualTrainer() = default;

const Learner& ContinualTrainer::learner() const noexcept { return state_->learner; }
const Method& ContinualTrainer::method() const noexcept { return *state_->method; }
const AccuracyMatrix& ContinualTrainer::accuracy() const noexcept { return state_->accuracy; }
const std::vector<Ledger>& ContinualTrainer::ledgers() const noexcept { return state_->ledgers; }
Ledger ContinualTrainer::ledger() const { return state_->ledger(); }
std::map<std::string, std::string>& ContinualTrainer::notes() noexcept { return state_->notes; }
void ContinualTrainer::save() const { state_->save_checkpoint(); }
std::string ContinualTrainer::last_checkpoint() const { return last_path(state_->run_dir); }

void ContinualTrainer::State::stop_on(const std::string& problem) const {
  throw Error(ErrorKind::numeric, problem + " at step " + std::to_string(learner.step + 1) +
                                      "; the last good checkpoint is " + last_path(run_dir) +
                                      "; a lower learning_rate may help");
}

// Each epoch of each task goes through its images in an order of its own.
std::vector<int64_t> ContinualTrainer::State::samples_of_step() {
  const Task& task = learner.current();
  const int64_t epoch = step_of_task / epoch_steps(task), index = step_of_task % epoch_steps(task);
  if (index == 0 || order.empty()) {
    Generator generator(derive_seed(learner.seed(shuffling), static_cast<uint64_t>(learner.task)),
                        static_cast<uint64_t>(epoch));
    order = permutation(task.train.size(), generator);
  }
  const int64_t begin = index * learner.config.batch_size;
  const int64_t end = std::min(task.train.size(), begin + learner.config.batch_size);
  return {order.begin() + begin, order.begin() + end};
}

LearnStep ContinualTrainer::State::train_step() {
  const Clock::time_point start = Clock::now();
  Optimizer& optimizer = *learner.optimizer;
  StepBatch batch = new_rows(learner, samples_of_step());
  for (int draw = 0; learner.memory && draw < method->draws(); ++draw)
    draw_rows(learner, learner.config.replay_batch, static_cast<uint64_t>(draw), batch);
  std::vector<double> weights;
  for (size_t g = 0; g < batch.groups.size(); ++g) weights.push_back(method->weight(batch, g));
  optimizer.zero_grad();
  const double loss = add_gradients(
      learner, batch, weights, [&](const BatchPart& part) { return method->loss(learner, part); },
      optimizer.arena().gradients());
  if (!std::isfinite(loss)) stop_on("the loss is no longer finite");
  method->adjust_gradients(learner, batch);
  const double limit =
      learner.config.clip_norm > 0 ? learner.config.clip_norm : std::numeric_limits<double>::max();
  if (!std::isfinite(optimizer.clip_grad_norm(limit))) stop_on("a gradient is no longer finite");
  optimizer.step();
  method->after_step(learner, batch);
  ++learner.step;
  ++step_of_task;
  count(batch.rows(), method->passes_a_row());
  count_beside();
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  seconds += took;
  return {.step = learner.step,
          .steps = total_steps(),
          .task = learner.task,
          .loss = loss,
          .images_per_second = static_cast<double>(batch.samples.size()) / took};
}

TaskResult ContinualTrainer::State::test() {
  TaskResult result{static_cast<int64_t>(accuracy.size()) - 1, learner.step, {}, seconds, ledger()};
  for (const Task& task : learner.stream.tasks)
    result.accuracy.push_back(accuracy_on(task, method->scores(learner, task.test.images),
                                          learner.stream.task_incremental));
  accuracy.push_back(result.accuracy);
  ledgers.push_back(result.ledger);
  return result;
}

// The rest of the present task; false where an interrupt ended it before.
bool ContinualTrainer::State::learn_task(const LearnEvents& events) {
  const int64_t steps = method->trains(learner) ? task_steps(learner.current()) : 0;
  if (step_of_task == 0) method->before_task(learner);
  while (step_of_task < steps) {
    const LearnStep report = train_step();
    if (events.step) events.step(report);
    const bool stop = events.interrupted && events.interrupted();
    const bool last = step_of_task == steps;
    if (!last && (stop || learner.step % learner.config.checkpoint_steps == 0)) save_checkpoint();
    if (stop && !last) return false;
  }
  const Clock::time_point start = Clock::now();
  method->after_task(learner);
  if (learner.selection) learner.selection->after_task(learner);
  count_beside();
  seconds += std::chrono::duration<double>(Clock::now() - start).count();
  const TaskResult result = test();
  ++learner.task;
  step_of_task = 0;
  if (learner.task < task_count()) method->shape(learner);
  save_checkpoint();
  if (events.task) events.task(result);
  return true;
}

void ContinualTrainer::State::begin(const LearnEvents& events) {
  learner.network->train();
  if (!accuracy.empty()) return;
  save_checkpoint();  // so that a run that is killed in its first test can be taken up
  const TaskResult result = test();
  save_checkpoint();
  if (events.task) events.task(result);
}

bool ContinualTrainer::run_task(const LearnEvents& events) {
  state_->begin(events);
  return state_->learner.task == state_->task_count() || state_->learn_task(events);
}

bool ContinualTrainer::run(const LearnEvents& events) {
  State& s = *state_;
  s.begin(events);
  while (s.learner.task < s.task_count()) {
    if (!s.learn_task(events)) return false;
    if (events.interrupted && events.interrupted() && s.learner.task < s.task_count()) return false;
  }
  return true;
}

void ContinualTrainer::State::count(int64_t more_rows, double passes) {
  if (work_of_row == 0) work_of_row = multiply_accumulates(*learner.network);
  rows += more_rows;
  work += static_cast<int64_t>(work_of_row * passes * static_cast<double>(more_rows));
}

// What hooks have spent since the last time.
void ContinualTrainer::State::count_beside() {
  if (learner.rows_beside > 0)
    count(learner.rows_beside, learner.passes_beside / static_cast<double>(learner.rows_beside));
  learner.rows_beside = 0;
  learner.passes_beside = 0;
}

Ledger ContinualTrainer::State::ledger() const {
  const int64_t size = static_cast<int64_t>(sizeof(float));
  return {.memory_bytes = learner.memory ? learner.memory->bytes() : 0,
          .model_bytes = learner.network->parameter_count() * size,
          .method_bytes = method->bytes_kept(learner),
          .rows = rows,
          .multiply_accumulates = work,
          .seconds = seconds};
}

void ContinualTrainer::replace_network(std::unique_ptr<StagedModule> smaller,
                                       const IndexMap& kept) {
  constexpr const char* name = "replace_network";
  State& s = *state_;
  Learner& learner = s.learner;
  if (s.step_of_task != 0)
    argument_error(name, "time", "step " + std::to_string(s.step_of_task) + " of a task",
                   "between tasks", "");
  if (shape_of(*smaller).empty() || s.begun_as.empty())
    argument_error(name, "smaller", "of a network or for one that is no Vision Transformer",
                   "a Vision Transformer for another", "");
  const ImageInput from = learner.network->input(), to = smaller->input();
  if (from.height != to.height || from.width != to.width || from.channels != to.channels ||
      smaller->classes() != learner.network->classes())
    argument_error(name, "smaller", "for other images or classes", "the present network's", "");
  if (learner.memory && !holds_images(learner))
    argument_error(name, "memory", "of latents", "images",
                   "latents are of the widths that the network has: learn without pruning");
  if (!s.method->survives_pruning())
    argument_error(name, "method", "'" + learner.config.method + "'",
                   "one that keeps nothing of the network's widths", "learn without pruning");
  learner.optimizer->rebuild(smaller->named_parameters(), kept);
  learner.network = std::move(smaller);
  learner.network->train();
  s.work_of_row = 0;
}

void ContinualTrainer::recover(int64_t epochs) {
  State& s = *state_;
  const Clock::time_point start = Clock::now();
  const Recovery done = recover_from_memory(s.learner, epochs);
  if (!std::isfinite(done.loss)) s.stop_on("the loss of recovery is no longer finite");
  s.count(done.rows, 3);
  s.seconds += std::chrono::duration<double>(Clock::now() - start).count();
}

void ContinualTrainer::State::save_checkpoint() const {
  NamedTensors tensors;
  append("model.", learner.network->named_parameters(), tensors);
  append("optimizer.", learner.optimizer->state_dict(), tensors);
  append("method.", method->state_dict(), tensors);
  if (learner.memory) {
    append("memory.", learner.memory->state_dict(), tensors);
    append("selection.", learner.selection->state_dict(), tensors);
  }
  Json costs = Json::array();
  for (const Ledger& each : ledgers) costs.push_back(to_json(each));
  const Json progress = {{"task", learner.task},
                         {"step", learner.step},
                         {"step_of_task", step_of_task},
                         {"seconds", seconds},
                         {"accuracy", accuracy},
                         {"ledgers", costs},
                         {"rows", rows},
                         {"multiply_accumulates", work},
                         {"begun_as", begun_as},
                         {"stream", stream_mark()},
                         {"notes", notes}};
  std::map<std::string, std::string> metadata = {{kind_key, "continual checkpoint"},
                                                 {learning_key, to_json(learner.config)},
                                                 {progress_key, progress.dump()}};
  if (!begun_as.empty()) metadata[config_key] = shape_of(*learner.network);
  save_safetensors(last_path(run_dir), tensors, metadata);
}

// Of the labels of all training images, which tell one stream from another.
uint32_t ContinualTrainer::State::stream_mark() const {
  uint32_t mark = 0;
  for (const Task& task : learner.stream.tasks)
    mark = crc32(mark, {task.train.labels.bytes(),
                        static_cast<size_t>(task.train.labels.numel()) * sizeof(int64_t)});
  return mark;
}

// A checkpoint may be of a network that has given way to a smaller one.
void ContinualTrainer::State::take_shape(const std::string& shape) {
  if (shape == shape_of(*learner.network)) return;
  const ViTConfig config = vit_config_from_json(shape, last_path(run_dir));
  const ImageInput from = learner.network->input(), to = config.input();
  if (begun_as.empty() || from.height != to.height || from.width != to.width ||
      from.channels != to.channels || config.classes != learner.network->classes())
    argument_error("resume", "network", "for other images or classes", "that of the run", "");
  Generator unused;
  learner.network = std::make_unique<VisionTransformer>(config, unused);
  renew_optimizer(learner);
  method->attach(learner);
  work_of_row = 0;
}

void ContinualTrainer::State::check_progress() const {
  const auto tasks = static_cast<size_t>(task_count());
  const size_t told = accuracy.empty() ? 0 : static_cast<size_t>(learner.task) + 1;
  bool good = accuracy.size() == told && ledgers.size() == told &&
              (told > 0 || learner.task == 0) && learner.step >= 0 && step_of_task >= 0;
  for (const std::vector<double>& row : accuracy) good = good && row.size() == tasks;
  if (learner.task < task_count()) good = good && step_of_task <= task_steps(learner.current());
  if (!good) argument_error("resume", "progress", "damaged", "that of a run of this stream", "");
}

void ContinualTrainer::resume() {
  State& s = *state_;
  const std::string path = last_path(s.run_dir);
  const TensorFile file = load_safetensors(path);
  const auto learning = file.metadata.find(learning_key),
             progress = file.metadata.find(progress_key);
  if (learning == file.metadata.end() || progress == file.metadata.end())
    file_error(path, "is no checkpoint of continual learning");
  if (to_json(learn_config_from_json(learning->second, path)) != to_json(s.learner.config))
    file_error(path, "belongs to a run with other settings");
  try {
    const Json json = parse_json(progress->second, path);
    if (json.at("begun_as").get<std::string>() != s.begun_as)
      argument_error("resume", "network", "of another shape", "that which the run began with", "");
    if (json.at("stream").get<uint32_t>() != s.stream_mark())
      argument_error("resume", "stream", "of other images", "that which the run began with", "");
    if (const auto shape = file.metadata.find(config_key); shape != file.metadata.end())
      s.take_shape(shape->second);
    s.learner.task = json.at("task").get<int64_t>();
    if (s.learner.task < 0 || s.learner.task > s.task_count())
      file_error(path, "damaged progress: task " + std::to_string(s.learner.task));
    // After the last task the network keeps the form that it had in it.
    const int64_t task =
        std::exchange(s.learner.task, std::min(s.learner.task, s.task_count() - 1));
    s.method->shape(s.learner);
    s.learner.task = task;
    copy_named("resume", s.learner.network->named_parameters(), file.under("model."));
    s.learner.optimizer->load_state_dict(file.under("optimizer."));
    s.learner.step = json.at("step").get<int64_t>();
    s.step_of_task = json.at("step_of_task").get<int64_t>();
    s.seconds = json.at("seconds").get<double>();
    s.accuracy = json.at("accuracy").get<AccuracyMatrix>();
    s.ledgers.clear();
    for (const Json& each : json.at("ledgers"))
      s.ledgers.push_back(ledger_from_json(each.get<std::string>(), path));
    s.rows = json.at("rows").get<int64_t>();
    s.work = json.at("multiply_accumulates").get<int64_t>();
    s.notes = json.at("notes").get<std::map<std::string, std::string>>();
    s.check_progress();
    s.method->load_state_dict(s.learner, file.under("method."));
    if (!s.learner.memory) return;
    s.learner.memory->load_state_dict(file.under("memory."));
    s.learner.memory->check(s.learner.stream.classes(), s.task_count());
    s.learner.selection->load_state_dict(file.under("selection."));
  } catch (const Error& error) {
    file_error(path, error.what());
  } catch (const Json::exception& error) {
    file_error(path, std::string("damaged progress: ") + error.what());
  }
}

LearnConfig load_learn_config(const std::string& run_dir) {
  const std::string path = last_path(run_dir);
  const TensorFile file = load_safetensors(path);
  const auto learning = file.metadata.find(learning_key);
  if (learning == file.metadata.end()) file_error(path, "is no checkpoint of continual learning");
  return learn_config_from_json(learning->second, path);
}

Stream stream_of(const LearnConfig& config, const ImageDataset& train, const ImageDataset& test) {
  StreamOptions options = config.stream;
  options.seed = derive_seed(config.seed, options.seed);
  if (config.held_out == 0) return make_stream(options, train, test);
  if (config.held_out >= train.size())
    argument_error("stream_of", "held_out", std::to_string(config.held_out),
                   "less than the " + std::to_string(train.size()) + " training images", "");
  const auto [rest, held] = hold_out(train, config.held_out, derive_seed(1, holding_out));
  return make_stream(options, rest, held);
}

}  // namespace espalier
