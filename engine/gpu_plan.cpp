#include "engine/gpu_plan.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/cuda/cublas.h"
#include "engine/launch_graph.h"
#include "engine/op.h"
#include "engine/ops/view.h"
#include "engine/program.h"
#include "engine/replay.h"
#include "engine/staging.h"
#include "engine/storage.h"

namespace espalier {
namespace {

constexpr const char* name_of_run = "GpuPlan::run";

int64_t block_bytes(const Tensor& tensor) {
  return static_cast<int64_t>(Storage::block_size(tensor.storage()->bytes()));
}

}  // namespace

// What runs on one size of batch have in common. A recording waits for the GPU when it ends, so it
// goes before the memory that a copy may still read.
struct GpuPlan::Batch {
  Tensor staged, input, output;
  bool loaded = false;  // kernels, by a run that called the operations one by one
  std::unique_ptr<const LaunchGraph> graph{};

  int64_t size() const { return input.size(0); }
};

GpuPlan::GpuPlan(const Graph& graph, Device device, const GpuPlanOptions& options)
    : graph_(graph), device_(device), options_(options) {
  if (device.kind == Device::Kind::cpu)
    argument_error("GpuPlan", "device", device.str(), "a GPU",
                   "compile() makes a plan for the CPU");
  check_device(device);
  for (Graph::Value& value : graph_.values) {
    if (!value.constant.defined()) continue;
    const bool there = value.constant.device() == device;
    value.constant = value.constant.detach().to(device);
    if (!there) weight_bytes_ += block_bytes(value.constant);
  }
}

GpuPlan::GpuPlan(GpuPlan&&) noexcept = default;
GpuPlan& GpuPlan::operator=(GpuPlan&&) noexcept = default;
GpuPlan::~GpuPlan() = default;

const Graph::Value& GpuPlan::value(int number) const {
  return graph_.values[static_cast<size_t>(number)];
}

// Moves it to the front; where there is none it takes the place of the one that came longest ago.
GpuPlan::Batch& GpuPlan::batch_of(int64_t size) {
  auto found = std::find_if(batches_.begin(), batches_.end(),
                            [&](const auto& batch) { return batch->size() == size; });
  if (found == batches_.end()) {
    if (batches_.size() == kept_sizes) batches_.pop_back();
    const Shape shape = shape_at(value(graph_.input).shape, size);
    batches_.push_back(
        std::make_unique<Batch>(Batch{{}, Tensor::empty(shape, DType::f32, device_), {}}));
    found = batches_.end() - 1;
  }
  std::rotate(batches_.begin(), found, found + 1);
  return *batches_.front();
}

Tensor GpuPlan::forward(const Tensor& input) const {
  const PrecisionScope products(options_.precision);
  return contiguous(replay(graph_, input));
}

// Of its input: what the recording of this size has written, which the second run makes.
Tensor GpuPlan::output_of(Batch& batch) {
  const bool whole = options_.launch_graph && gpu_gemm() == GpuGemm::own;
  if (!whole || !batch.loaded) {
    const Tensor output = forward(batch.input);
    batch.loaded = whole;
    return output;
  }
  if (!batch.graph)
    batch.graph =
        std::make_unique<const LaunchGraph>(device_, [&] { batch.output = forward(batch.input); });
  batch.graph->launch(name_of_run);
  ++launches_;
  return batch.output;
}

void GpuPlan::run(const Tensor& input, const Tensor& output) {
  check_min_rank(name_of_run, "input", input, 1);
  const int64_t size = input.size(0);
  check_plan_operand(name_of_run, "input", input, value(graph_.input), size);
  check_plan_operand(name_of_run, "output", output, value(graph_.output), size);
  if (size == 0) return;
  const NoGradGuard off;
  Batch& batch = batch_of(size);
  if (!batch.staged.defined())
    batch.staged = staging_tensor(batch.input.shape(), DType::f32, device_);
  batch.staged.copy_(input);  // which the GPU has read: the run before waited for its results
  send(batch.staged, batch.input);
  output.copy_(output_of(batch));
}

Tensor GpuPlan::operator()(const Tensor& input) {
  check_min_rank(name_of_run, "input", input, 1);
  const Tensor output = Tensor::empty(shape_at(value(graph_.output).shape, input.size(0)));
  run(input, output);
  return output;
}

Tensor GpuPlan::run_there(const Tensor& input) {
  check_min_rank(name_of_run, "input", input, 1);
  const int64_t size = input.size(0);
  check_shape(name_of_run, "input", input, shape_at(value(graph_.input).shape, size));
  if (input.dtype() != DType::f32 || !(input.device() == device_))
    argument_error(name_of_run, "input", input.describe() + " on " + input.device().str(),
                   "f32 on " + device_.str(), "use to(DType::f32) and to(Device)");
  if (size == 0) return Tensor::empty(shape_at(value(graph_.output).shape, 0), DType::f32, device_);
  const NoGradGuard off;
  Batch& batch = batch_of(size);
  batch.input.copy_(input);
  return output_of(batch);
}

GpuPlan::Memory GpuPlan::memory() const noexcept {
  Memory memory{weight_bytes_, 0};
  for (const auto& batch : batches_)
    memory.batches += block_bytes(batch->input) + (batch->graph ? batch->graph->memory() : 0);
  return memory;
}

}  // namespace espalier
