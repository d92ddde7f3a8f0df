#include "nn/whole_step.h"

#include <cmath>
#include <optional>
#include <vector>

#include "engine/cuda/cublas.h"
#include "engine/device_scope.h"
#include "engine/launch_graph.h"
#include "engine/staging.h"
#include "nn/optim/ema.h"
#include "nn/train_step.h"

namespace espalier {
namespace {

StepResult step_on_cpu(const RecycledVector<Tensor>& batch, Optimizer& optimizer,
                       const WeightAverage* average, const StepOptions& options,
                       WholeStep::BatchLoss loss) {
  optimizer.zero_grad();
  StepResult result{};
  result.loss = accumulate_gradients(
      batch.at(0).size(0), options.chunk_size, options.seed, optimizer.arena().gradients(),
      [&](int64_t begin, int64_t end) { return loss(batch, begin, end); },
      {options.precision, options.limits.loss_scale, options.meanwhile});
  result.grad_norm = optimizer.clip_grad_norm(options.limits.max_norm, options.limits.loss_scale);
  result.updated = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
  if (result.updated) optimizer.step(average);
  return result;
}

}  // namespace

// What a recording of a step holds fast.
struct WholeStep::Kind {
  std::vector<std::pair<Shape, DType>> batch;
  int64_t chunk_size;
  Precision precision;
  const void *arena, *average;
  bool own_products;  // cuBLAS is given its products one by one

  Kind(const RecycledVector<Tensor>& tensors, const Optimizer& optimizer,
       const WeightAverage* weights, const StepOptions& options)
      : chunk_size(options.chunk_size),
        precision(options.precision),
        arena(optimizer.arena().values().storage()->data()),
        average(weights ? weights->values().storage()->data() : nullptr),
        own_products(gpu_gemm() == GpuGemm::own) {
    for (const Tensor& tensor : tensors) batch.emplace_back(tensor.shape(), tensor.dtype());
  }
  bool operator==(const Kind&) const = default;
};

// Steps of one kind.
struct WholeStep::OnGpu {
  const Kind kind;
  const Device device;
  const GradientsByNumbers gradients;
  const Tensor numbers, outcome;  // on the GPU, f64
  const Tensor staged;  // numbers to send: each step waits for what the one before it sent
  RecycledVector<Tensor> batch{};  // that the recording reads
  std::optional<LaunchGraph> graph{};

  OnGpu(const Kind& k, const Optimizer& optimizer)
      : kind(k),
        device(optimizer.arena().values().device()),
        gradients(kind.batch.at(0).first[0], kind.chunk_size, kind.precision),
        numbers(Tensor::empty({gradients.numbers() + optimizer.numbers()}, DType::f64, device)),
        outcome(Tensor::empty({sizeof(StepOutcome) / sizeof(double)}, DType::f64, device)),
        staged(staging_tensor(numbers.shape(), DType::f64, device)) {}

  void send_numbers(const Optimizer& optimizer, const WeightAverage* average,
                    const StepOptions& options) const {
    {
      const DeviceScope here(Device::cpu());
      double* to = staged.data<double>();
      gradients.write_numbers(options.seed, options.limits.loss_scale, to);
      optimizer.write_numbers(options.limits, average, to + gradients.numbers());
    }
    send(staged, numbers);
  }

  // All of a step, by what was sent.
  void work(const RecycledVector<Tensor>& read, Optimizer& optimizer, const WeightAverage* average,
            BatchLoss loss) const {
    const DeviceScope there(device);
    auto* found = reinterpret_cast<StepOutcome*>(outcome.data<double>());
    outcome.fill_(0);
    optimizer.zero_grad();
    gradients.run(
        numbers, optimizer.arena().gradients(),
        [&](int64_t begin, int64_t end) { return loss(read, begin, end); }, &found->loss);
    optimizer.clip_and_update(numbers.data<double>() + gradients.numbers(), average, found);
  }

  void record(Optimizer& optimizer, const WeightAverage* average, BatchLoss loss) {
    batch.clear();
    for (const auto& [shape, dtype] : kind.batch)
      batch.push_back(Tensor::empty(shape, dtype, device));
    graph.emplace(device, [&] { work(batch, optimizer, average, loss); });
  }

  // Waits for the GPU.
  StepResult result() const {
    const Tensor here = outcome.to(Device::cpu());
    const DeviceScope cpu(Device::cpu());
    const auto* found = reinterpret_cast<const StepOutcome*>(here.data<double>());
    return {found->loss, found->norm, is_step(found->gradient_scale)};
  }
};

WholeStep::WholeStep(bool recorded) : recorded_(recorded) {}
WholeStep::~WholeStep() = default;

void WholeStep::forget() noexcept { on_gpu_.reset(); }

StepResult WholeStep::run(const RecycledVector<Tensor>& batch, Optimizer& optimizer,
                          const WeightAverage* average, const StepOptions& options,
                          BatchLoss loss) {
  if (!optimizer.arena().values().device().on_gpu())
    return step_on_cpu(batch, optimizer, average, options, loss);
  const Kind kind(batch, optimizer, average, options);
  const bool known = on_gpu_ && on_gpu_->kind == kind;
  if (!known) {
    forget();  // its memory serves the next
    on_gpu_ = std::make_unique<OnGpu>(kind, optimizer);
  }
  OnGpu& step = *on_gpu_;
  const bool whole = known && recorded_ && kind.own_products;
  if (whole && !step.graph) step.record(optimizer, average, loss);
  step.send_numbers(optimizer, average, options);
  if (whole) {
    for (size_t i = 0; i < batch.size(); ++i) step.batch[i].copy_(batch[i]);
    step.graph->launch("training step");
    ++launched_;
  } else {
    step.work(batch, optimizer, average, loss);
  }
  if (options.meanwhile) options.meanwhile();
  const StepResult result = step.result();
  if (result.updated) optimizer.count_step();
  return result;
}

}  // namespace espalier
