#include "engine/plan.h"

#include <algorithm>

#include "engine/op.h"
#include "engine/parallel.h"
#include "engine/profiler.h"
#include "engine/program.h"

namespace espalier {
namespace {

constexpr const char* name_of_run = "Plan::run";

}  // namespace

void check_plan_operand(const char* function, const char* operand, const Tensor& x,
                        const Graph::Value& like, int64_t batch) {
  check_shape(function, operand, x, shape_at(like.shape, batch));
  if (x.dtype() != DType::f32 || !x.is_contiguous() || x.device().on_gpu())
    argument_error(function, operand, x.describe() + " on " + x.device().str(),
                   "a contiguous f32 tensor on the CPU",
                   "use contiguous(), to(DType::f32) and to(Device::cpu())");
}

Scratch::Scratch(const StepRun& run) noexcept : free_(run.scratch_free_), at_(run.scratch_) {
  if (!free_) return;
  for (;;) {
    uint64_t free = free_->load(std::memory_order_relaxed);
    if (free == 0) continue;  // more threads than pieces: one of them is about to be done
    bit_ = free & (~free + 1);
    if (free_->compare_exchange_weak(free, free & ~bit_, std::memory_order_acquire)) break;
  }
  at_ += run.scratch_stride_ * __builtin_ctzll(bit_);
}

Scratch::~Scratch() {
  if (free_) free_->fetch_or(bit_, std::memory_order_release);
}

StepRun Plan::Program::run_of(int lane, std::byte* input_data, std::byte* output_data,
                              int64_t begin, int64_t end, bool alone) {
  StepRun run;
  run.batch = end - begin;
  run.arena_ = memory->data() + lane * lane_bytes;
  run.input_ = input_data + begin * bytes_of(input, 1);
  run.output_ = output_data + begin * bytes_of(output, 1);
  run.offsets_ = offsets.data();
  run.constants_ = constant_data.data();
  run.scratch_ = memory->data() + lanes * lane_bytes + (alone ? 0 : lane * scratch_bytes);
  run.scratch_stride_ = scratch_bytes;
  run.scratch_free_ = alone ? &scratch_free : nullptr;
  return run;
}

Plan::Plan(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Plan::Plan(Plan&&) noexcept = default;
Plan& Plan::operator=(Plan&&) noexcept = default;
Plan::~Plan() = default;

void Plan::run(const Tensor& input, const Tensor& output) {
  Program& p = *program_;
  check_min_rank(name_of_run, "input", input, 1);
  const int64_t batch = input.size(0);
  check_plan_operand(name_of_run, "input", input, p.input, batch);
  check_plan_operand(name_of_run, "output", output, p.output, batch);
  const auto run_chunk = [&](int lane, int64_t begin, int64_t end, bool alone) {
    const StepRun run = p.run_of(lane, input.bytes(), output.bytes(), begin, end, alone);
    for (size_t i = 0; i < p.steps.size(); ++i) {
      const profiler::Scope scope(p.names[i], "plan", static_cast<int>(i));
      p.steps[i](run);
    }
  };
  if (batch < p.lanes) {  // too few samples to deal out: threads share each step
    const ThreadLimit of_plan(p.lanes);
    for (int64_t begin = 0; begin < batch; begin += p.chunk)
      run_chunk(0, begin, std::min(batch, begin + p.chunk), true);
  } else {  // each thread takes whole chunks, equally many of them where that is possible
    const int64_t least = (batch + p.chunk - 1) / p.chunk;
    const int64_t n = std::min(batch, (least + p.lanes - 1) / p.lanes * p.lanes);
    std::atomic<int64_t> next{0};
    parallel_for(p.lanes, 1, [&](int64_t lane, int64_t) {
      const SerialGuard here;  // a plan of one thread stays on it
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;)
        run_chunk(static_cast<int>(lane), i * batch / n, (i + 1) * batch / n, false);
    });
  }
}

Tensor Plan::operator()(const Tensor& input) {
  check_min_rank(name_of_run, "input", input, 1);
  const Tensor output = Tensor::empty(shape_at(program_->output.shape, input.size(0)));
  run(input, output);
  return output;
}

NodeCost Plan::StepInfo::cost(int64_t batch) const noexcept {
  const auto line = [&](int64_t one, int64_t two) { return one + (two - one) * (batch - 1); };
  return {line(cost_of_one.flops, cost_of_two.flops),
          line(cost_of_one.bytes_read, cost_of_two.bytes_read),
          line(cost_of_one.bytes_written, cost_of_two.bytes_written)};
}

const std::vector<Plan::StepInfo>& Plan::steps() const noexcept { return program_->infos; }
Plan::Memory Plan::memory() const noexcept {
  return {static_cast<int64_t>(Storage::block_size(program_->memory->bytes())),
          program_->weight_bytes};
}
int64_t Plan::chunk() const noexcept { return program_->chunk; }
int Plan::threads() const noexcept { return program_->lanes; }

}  // namespace espalier
