#include "cl/continual_trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "cl/continual_state.h"
#include "cl/purposes.h"
#include "cl/recovery.h"
#include "engine/error.h"
#include "engine/io/crc32.h"
#include "nn/prompts.h"

namespace espalier {
namespace {

using Clock = std::chrono::steady_clock;

SampleCoding pixel_coding(const std::string& name) {
  return name == "u8" ? SampleCoding::pixels_u8 : SampleCoding::pixels_f32;
}

SampleCoding latent_coding(const std::string& name) {
  if (name == "f32") return SampleCoding::latent_f32;
  return name == "s8" ? SampleCoding::latent_s8 : SampleCoding::latent_s4;
}

ReplayMemory make_memory(const LearnConfig& config, const Method& method,
                         const Selection& selection, const Stream& stream, StagedModule& network) {
  const bool latents = method.keeps_latents();
  const RecordLayout layout{
      .item = shape_entering(network, latents ? config.latent_stage : 0),
      .coding = latents ? latent_coding(config.latent_coding) : pixel_coding(config.coding),
      .logits = method.keeps_logits() ? stream.classes() : 0,
      .score = selection.keeps_score(),
      .text = method.keeps_texts()};
  const int64_t bytes =
      config.memory_samples > 0 ? config.memory_samples * layout.bytes() : config.memory_bytes;
  return ReplayMemory(layout, ReplayMemory::capacity_for(layout, bytes));
}

LearnConfig validated(const LearnConfig& config) {
  validate(config);
  return config;
}

std::string images_and_classes(const Shape& image, int64_t classes) {
  return "for images " + image.str() + " and " + std::to_string(classes) + " classes";
}

// A step reads the stream's images in the network's shape, and counts its answers by the stream's
// labels: where the two differ, it would pass the end of one.
void check_fit(const StagedModule& network, const Stream& stream) {
  const ImageInput input = network.input();
  const Shape& images = stream.tasks.front().train.images.shape();
  const std::string got =
      images_and_classes({input.height, input.width, input.channels}, network.classes());
  const std::string expected =
      images_and_classes({images[1], images[2], images[3]}, stream.classes());
  if (got != expected)
    argument_error("ContinualTrainer", "network", got, expected,
                   "give one for this stream, whose classes are those of all tasks");
}

uint32_t mark_of(const Stream& stream) {
  uint32_t mark = 0;
  for (const Task& task : stream.tasks)
    mark = crc32(mark, {task.train.labels.bytes(),
                        static_cast<size_t>(task.train.labels.numel()) * sizeof(int64_t)});
  return mark;
}

int64_t epoch_steps(const Task& task, const LearnConfig& config) {
  return (task.train.size() + config.batch_size - 1) / config.batch_size;
}

// Of images that come with their task's classes, or of all classes.
double accuracy_on(const Task& task, const Tensor& scores, bool classes_known) {
  std::vector<ClassCount> counts(static_cast<size_t>(scores.size(1)));
  count_classes(predictions(scores, classes_known ? task.classes : std::vector<int64_t>{}),
                task.test.labels, counts);
  return accuracy_of(counts);
}

}  // namespace

std::string shape_of(const StagedModule& network) {
  const auto* prompted = dynamic_cast<const PromptedTransformer*>(&network);
  const auto* vit =
      prompted ? &prompted->trunk() : dynamic_cast<const VisionTransformer*>(&network);
  return vit ? to_json(vit->config) : "";
}

ContinualTrainer::State::State(const LearnConfig& config, Stream stream, std::string dir,
                               std::unique_ptr<StagedModule> network, Device device)
    : learner{validated(config), std::move(stream), nullptr, nullptr, std::nullopt, nullptr},
      method(make_method(config)),
      run_dir(std::move(dir)) {
  learner.device = device;
  learner.stream = method->taught(std::move(learner.stream));
  stream_mark = mark_of(learner.stream);
  learner.network = network ? std::move(network) : method->network(config, learner.stream);
  check_fit(*learner.network, learner.stream);
  learner.network->train();  // recovery may be the first that a run trains when it is taken up
  begun_as = shape_of(*learner.network);
  renew_optimizer(learner);
  method->attach(learner);
  shape_network();
  if (!method->uses_memory()) return;
  learner.selection = make_selection(
      config.selection, {.seed = learner.seed(selecting), .classes = learner.stream.classes()});
  learner.memory.emplace(
      make_memory(config, *method, *learner.selection, learner.stream, *learner.network));
}

int64_t ContinualTrainer::State::task_steps(const Task& task) const {
  const LearnConfig& c = learner.config;
  const bool first = &task == &learner.stream.tasks.front();
  const int64_t all = epoch_steps(task, c) * (first && c.first_epochs ? c.first_epochs : c.epochs);
  return c.max_steps ? std::min(all, c.max_steps) : all;
}

int64_t ContinualTrainer::State::total_steps() const {
  int64_t sum = 0;
  for (const Task& task : learner.stream.tasks) sum += task_steps(task);
  return sum;
}

ContinualTrainer::ContinualTrainer(const LearnConfig& config, Stream stream, std::string run_dir,
                                   std::unique_ptr<StagedModule> network, Device device)
    : state_(std::make_unique<State>(config, std::move(stream), std::move(run_dir),
                                     std::move(network), device)) {}
ContinualTrainer::~ContinualTrainer() = default;

const Learner& ContinualTrainer::learner() const noexcept { return state_->learner; }
const Method& ContinualTrainer::method() const noexcept { return *state_->method; }
const AccuracyMatrix& ContinualTrainer::accuracy() const noexcept { return state_->accuracy; }
const std::vector<ZeroShot>& ContinualTrainer::zero_shot() const noexcept {
  return state_->zero_shot;
}
const std::vector<Ledger>& ContinualTrainer::ledgers() const noexcept { return state_->ledgers; }
Ledger ContinualTrainer::ledger() const { return state_->ledger(); }
std::map<std::string, std::string>& ContinualTrainer::notes() noexcept { return state_->notes; }
void ContinualTrainer::save() const { state_->save_checkpoint(); }
std::string ContinualTrainer::last_checkpoint() const { return state_->last_checkpoint(); }

void ContinualTrainer::State::stop_on(const std::string& problem) const {
  throw Error(ErrorKind::numeric, problem + " at step " + std::to_string(learner.step + 1) +
                                      "; the last good checkpoint is " + last_checkpoint() +
                                      "; a lower learning_rate may help");
}

// Each epoch of each task goes through its images in an order of its own.
std::vector<int64_t> ContinualTrainer::State::samples_of_step() {
  const Task& task = learner.current();
  const int64_t epoch = step_of_task / epoch_steps(task, learner.config),
                index = step_of_task % epoch_steps(task, learner.config);
  learner.epoch = epoch;
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
  batch.together = method->compares_rows();
  std::vector<double> weights;
  for (size_t g = 0; g < batch.groups.size(); ++g) weights.push_back(method->weight(batch, g));
  optimizer.zero_grad();
  const double loss = add_gradients(
      learner, batch, weights, [&](const BatchPart& part) { return method->loss(learner, part); },
      optimizer.arena().gradients());
  if (!std::isfinite(loss)) stop_on("the loss is no longer finite");
  method->adjust_gradients(learner, batch);
  if (!clip_gradients(learner)) stop_on("a gradient is no longer finite");
  optimizer.step();
  method->after_step(learner, batch);
  ++learner.step;
  ++step_of_task;
  learner.spend(batch.rows(), method->passes_a_row());
  count_spent();
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  seconds += took;
  return {.step = learner.step,
          .steps = total_steps(),
          .task = learner.task,
          .loss = loss,
          .images_per_second = static_cast<double>(batch.samples.size()) / took};
}

TaskResult ContinualTrainer::State::test() {
  const int64_t learned = static_cast<int64_t>(accuracy.size());
  TaskResult result{learned - 1, learner.step, {}, seconds, ledger()};
  std::vector<Tensor> scores;
  for (const Task& task : learner.stream.tasks) {
    scores.push_back(method->scores(learner, task.test.images));
    result.accuracy.push_back(accuracy_on(task, scores.back(), learner.stream.task_incremental));
  }
  if (method->names_unseen())
    result.zero_shot = espalier::zero_shot(learner.stream, learned, scores);
  accuracy.push_back(result.accuracy);
  ledgers.push_back(result.ledger);
  zero_shot.push_back(result.zero_shot);
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
  count_spent();
  seconds += std::chrono::duration<double>(Clock::now() - start).count();
  const TaskResult result = test();
  ++learner.task;
  step_of_task = 0;
  if (learner.task < task_count()) shape_network();
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

// A network that gained or froze something costs something else.
void ContinualTrainer::State::shape_network() {
  method->shape(learner);
  work_of_row = 0;
}

// Into the ledger goes what was spent since the last time.
void ContinualTrainer::State::count_spent() {
  if (work_of_row == 0) work_of_row = method->work_of_row(learner);
  rows += std::exchange(learner.rows_spent, 0);
  work += static_cast<int64_t>(work_of_row * std::exchange(learner.passes_spent, 0));
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

bool ContinualTrainer::State::fits(const ImageInput& input, int64_t classes) const {
  const ImageInput mine = learner.network->input();
  return input.height == mine.height && input.width == mine.width &&
         input.channels == mine.channels && classes == learner.network->classes();
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
  if (!s.fits(smaller->input(), smaller->classes()))
    argument_error(name, "smaller", "for other images or classes", "the present network's", "");
  if (learner.memory && !holds_images(learner))
    argument_error(name, "memory", "of latents", "images",
                   "latents are of the widths that the network has: learn without pruning");
  if (!s.method->survives_pruning())
    argument_error(name, "method", "'" + learner.config.method + "'",
                   "one that keeps nothing of the network's widths", "learn without pruning");
  smaller->to(learner.device);
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
  s.learner.spend(done.rows, 3);
  s.count_spent();
  s.seconds += std::chrono::duration<double>(Clock::now() - start).count();
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
