#include "nn/trainer.h"

#include <chrono>
#include <cmath>
#include <limits>

#include "engine/io/crc32.h"
#include "engine/io/file.h"
#include "engine/ops/binary.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "nn/distillation.h"
#include "nn/named_tensors.h"
#include "nn/optim/adamw.h"
#include "nn/optim/muon.h"
#include "nn/optim/sgd.h"
#include "nn/trainer_state.h"

namespace espalier {
namespace {

enum TrainerPurpose : uint64_t { initialising = 11, loading = 12, dropping = 13 };

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::unique_ptr<Trainable> new_model(const TrainConfig& config) {
  return std::make_unique<Trainable>(initial_model(config.model, config.seed));
}

std::unique_ptr<Optimizer> make_optimizer(const TrainConfig& c, const NamedTensors& parameters) {
  if (c.optimizer == "sgd")
    return std::make_unique<Sgd>(
        parameters,
        SgdOptions{.lr = c.learning_rate, .nesterov = true, .weight_decay = c.weight_decay});
  if (c.optimizer == "muon")
    return std::make_unique<Muon>(
        parameters, MuonOptions{.lr = c.learning_rate, .weight_decay = c.weight_decay});
  return std::make_unique<AdamW>(
      parameters, AdamWOptions{.lr = c.learning_rate, .weight_decay = c.weight_decay});
}

LoaderOptions loader_options(const TrainConfig& c, Device device) {
  return {.batch_size = c.batch_size,
          .drop_last = true,
          .seed = derive_seed(c.seed, loading),
          .augmentation = c.augmentation,
          .mean = c.model.mean,
          .deviation = c.model.deviation,
          .device = device};
}

// The CRC-32 of all that their weights are, in order.
uint32_t mark_of(const std::vector<Graph>& teachers) {
  uint32_t mark = 0;
  for (const Graph& teacher : teachers)
    for (const Graph::Value& value : teacher.values) {
      if (!value.constant.defined()) continue;
      const Tensor here = contiguous(value.constant.detach().to(Device::cpu()));
      mark =
          crc32(mark, {here.bytes(), static_cast<size_t>(here.numel()) * dtype_size(here.dtype())});
    }
  return mark;
}

TrainConfig validated(const TrainConfig& config, Device device) {
  validate(config);
  if (precision_of(config) == Precision::f16 && !device.on_gpu())
    argument_error("Trainer", "precision", "'f16' on the CPU", "'f32' or 'bf16' there",
                   "products in f16 run on a GPU alone, as with --device cuda");
  return config;
}

std::optional<LossScale> first_loss_scale(const TrainConfig& config) {
  if (precision_of(config) != Precision::f16) return std::nullopt;
  return LossScale();
}

}  // namespace

std::unique_ptr<VisionTransformer> initial_model(const ViTConfig& config, uint64_t seed) {
  Generator generator(derive_seed(seed, initialising));
  return std::make_unique<VisionTransformer>(config, generator);
}

Trainer::State::State(const TrainConfig& c, ImageDataset train_set, ImageDataset validation_set,
                      std::string dir, const TrainerParts& parts)
    : config(validated(c, parts.device)),
      train(std::move(train_set)),
      validation(std::move(validation_set)),
      run_dir(std::move(dir)),
      trained(parts.form ? parts.form() : new_model(config)),
      averaged(parts.form ? parts.form() : new_model(config)),
      shrinking(parts.shrinking),
      device(parts.device),
      feed(train, loader_options(config, device)),
      whole_step(parts.launch_graph && trained->steps_alike()),
      schedule(LrSchedule::cosine(config.learning_rate,
                                  std::min(config.warmup_steps, epoch_steps() * config.epochs - 1),
                                  epoch_steps() * config.epochs,
                                  std::min(config.final_learning_rate, config.learning_rate))),
      loss_scale(first_loss_scale(config)) {
  start_optimizer();
  check_shrinking();
  if ((config.distillation > 0) == parts.teachers.empty())
    argument_error("Trainer", "teachers", parts.teachers.empty() ? "none" : "given",
                   "a teacher where `distillation` is above 0, and only there",
                   parts.teachers.empty() ? "give one, as train --teacher does"
                                          : "leave it out, as train without --teacher");
  teachers_mark = mark_of(parts.teachers);
  const DType weights = precision_of(config) == Precision::bf16 ? DType::bf16 : DType::f32;
  for (const Graph& graph : parts.teachers)
    teachers.emplace_back(graph, PlanOptions{.weights = weights}, device,
                          GpuPlanOptions{precision_of(config), parts.launch_graph});
}

Trainer::Trainer(const TrainConfig& config, ImageDataset train, ImageDataset validation,
                 std::string run_dir, TrainerParts parts)
    : state_(std::make_unique<State>(config, std::move(train), std::move(validation),
                                     std::move(run_dir), parts)) {}

Trainer::~Trainer() = default;

// From its beginning, on the present parameters.
void Trainer::State::start_optimizer() {
  average.reset();  // before the arena that it is part of
  whole_step.forget();
  trained->to(device);
  averaged->to(device);
  optimizer = make_optimizer(config, trained->named_parameters());
  average.emplace(optimizer->arena(), config.ema_decay);
  averaged->eval();
}

void Trainer::State::check_shrinking() const {
  if (shrinking.times == 0) return;
  const bool some = shrinking.times > 0 && shrinking.share > 0 && shrinking.share < 1;
  if (some && shrinking.next && shrinking_span() >= shrinking.times) return;
  argument_error("Trainer", "shrinking",
                 std::to_string(shrinking.times) + " times in " + std::to_string(shrinking.share) +
                     " of " + std::to_string(total_steps()) + " steps",
                 "a step at least for each time, in a share between 0 and 1", "train for longer");
}

// Trains `model` from now on; the optimiser knows nothing of it yet.
void Trainer::State::take(const VisionTransformer& model) {
  const auto form = [&] {
    auto copy = copy_of(model);
    copy->train();
    return shrinking.form ? shrinking.form(std::move(copy))
                          : std::make_unique<Trainable>(std::move(copy));
  };
  trained = form();
  averaged = form();
  trained->to(device);
  averaged->to(device);
  averaged->eval();
}

// Whether it was: a checkpoint has to follow, so that no step shrinks the model twice.
bool Trainer::State::shrink_if_due() {
  for (int64_t i = 1; i <= shrinking.times; ++i) {
    if (step != shrinking_step(i)) continue;
    const SmallerModel smaller = shrinking.next(*copy_of(std::as_const(*trained).model()), i);
    take(*smaller.model);
    optimizer->rebuild(trained->named_parameters(), smaller.kept);
    whole_step.forget();
    trained->prepare();
    best_accuracy = -1;
    return true;
  }
  return false;
}

void Trainer::State::stop_on(const std::string& problem) const {
  throw Error(ErrorKind::numeric, problem + " at step " + std::to_string(step + 1) +
                                      "; the last good checkpoint is " + last_path(run_dir) +
                                      "; a lower learning_rate may help");
}

// The mean of the teachers' soft targets, [B, C], where the images lie.
Tensor Trainer::State::taught(const Tensor& images) {
  Tensor sum;
  for (Predictor& teacher : teachers) {
    const Tensor targets = soft_targets(teacher.run_there(images), config.temperature);
    sum = sum.defined() ? add(sum, targets) : targets;
  }
  return mul(sum, 1 / static_cast<double>(teachers.size()));
}

// Says whether it changed the weights: in f16 a step whose gradients are not finite is skipped, and
// the next one's loss scaled less.
bool Trainer::State::take_note(const StepResult& result) {
  if (!std::isfinite(result.loss)) stop_on("the loss is no longer finite");
  if (!result.updated && !loss_scale) stop_on("a gradient is no longer finite");
  if (loss_scale) loss_scale->update(result.updated);
  if (loss_scale && loss_scale->exhausted())
    stop_on("a gradient is not finite, whatever the loss scale,");
  if (result.updated) trained->prepare();
  return result.updated;
}

// Of samples of a batch: images, targets and what the teachers say of them.
Tensor Trainer::State::chunk_loss(const RecycledVector<Tensor>& batch, int64_t begin,
                                  int64_t end) const {
  const auto part = [&](size_t i) { return slice(batch[i], 0, begin, end); };
  const Tensor logits = trained->forward(part(0));
  const Tensor loss = cross_entropy(logits, part(1), config.label_smoothing);
  if (teachers.empty()) return loss;
  const Tensor of_teachers = distillation_loss(logits, part(2), config.temperature);
  return add(mul(loss, 1 - config.distillation), mul(of_teachers, config.distillation));
}

StepReport Trainer::State::train_batch(const FedBatch& batch) {
  const Clock::time_point start = Clock::now();
  const std::optional<double> scale = loss_scale ? std::optional(loss_scale->value) : std::nullopt;
  const Batch& there = batch.there;
  // Which the processor has at hand; a graph that was recorded could not.
  if (device.on_gpu() && there.targets.dtype() == DType::s64)
    check_class_indices("Trainer", batch.here.targets, config.model.classes);
  RecycledVector<Tensor> read = {there.images, there.targets};
  if (!teachers.empty()) read.push_back(taught(there.images));
  const double no_limit = std::numeric_limits<double>::max();
  optimizer->set_lr(schedule.at(step));
  const StepResult result = whole_step.run(
      read, *optimizer, &*average,
      {.chunk_size = config.chunk_size,
       .seed = derive_seed(derive_seed(config.seed, dropping), static_cast<uint64_t>(step)),
       .limits = {config.clip_norm > 0 ? config.clip_norm : no_limit, scale.value_or(1)},
       .precision = precision_of(config),
       .meanwhile = [&] { feed.send_ahead(); }},
      [&](const RecycledVector<Tensor>& tensors, int64_t begin, int64_t end) {
        return chunk_loss(tensors, begin, end);
      });
  const bool updated = take_note(result);
  epoch_loss += result.loss;
  ++step;
  const double seconds = seconds_since(start);
  epoch_seconds += seconds;
  return {.step = step,
          .steps = total_steps(),
          .epoch = (step - 1) / epoch_steps(),
          .loss = result.loss,
          .learning_rate = schedule.at(step - 1),
          .grad_norm = result.grad_norm,
          .images_per_second = static_cast<double>(there.images.size(0)) / seconds,
          .loss_scale = scale,
          .skipped = !updated};
}

EpochReport Trainer::State::finish_epoch(int64_t epoch) {
  copy_named("Trainer", averaged->named_parameters(), average->named_values());
  averaged->prepare();
  EpochReport report{.epoch = epoch,
                     .step = step,
                     .train_loss = epoch_loss / static_cast<double>(step - epoch * epoch_steps()),
                     .validation = std::nullopt,
                     .best = true,
                     .seconds = epoch_seconds,
                     .skipped_steps = loss_scale ? loss_scale->skipped_steps : 0};
  if (validation.size() > 0) {
    report.validation = averaged->evaluate(validation);
    report.best = report.validation->accuracy() > best_accuracy;
  }
  if (report.best) {
    std::map<std::string, std::string> notes = {{"espalier.epoch", std::to_string(epoch + 1)}};
    if (report.validation) {
      best_accuracy = report.validation->accuracy();
      notes["espalier.validation_accuracy"] = std::to_string(best_accuracy);
    }
    averaged->save(run_dir + "/checkpoints/best.safetensors", notes);
  }
  epoch_loss = epoch_seconds = 0;
  return report;
}

bool Trainer::run(const TrainerEvents& events) {
  State& s = *state_;
  s.trained->prepare();
  if (s.step == 0) {
    make_folder(s.run_dir + "/checkpoints");
    s.save_checkpoint();
  }
  while (s.step < s.total_steps()) {
    const int64_t epoch = s.step / s.epoch_steps();
    s.feed.start(epoch, s.step % s.epoch_steps());
    while (s.step < s.total_steps()) {
      const std::optional<FedBatch> batch = s.feed.next();
      if (!batch) break;
      const StepReport report = s.train_batch(*batch);
      if (events.step) events.step(report);
      const bool stop = events.interrupted && events.interrupted();
      const bool epoch_done = s.step % s.epoch_steps() == 0 || s.step == s.total_steps();
      if (epoch_done) {
        const EpochReport finished = s.finish_epoch(epoch);
        if (events.epoch) events.epoch(finished);
      }
      const bool shrunk = s.shrink_if_due();
      if (stop || epoch_done || shrunk || s.step % s.config.checkpoint_steps == 0)
        s.save_checkpoint();
      if (stop) return s.step == s.total_steps();
    }
  }
  return true;
}

int64_t Trainer::step() const noexcept { return state_->step; }
const Trainable& Trainer::trained() const noexcept { return *state_->trained; }
int64_t Trainer::graph_launches() const noexcept { return state_->whole_step.launched(); }
std::string Trainer::last_checkpoint() const { return last_path(state_->run_dir); }
std::string Trainer::best_checkpoint() const {
  return state_->run_dir + "/checkpoints/best.safetensors";
}

}  // namespace espalier
