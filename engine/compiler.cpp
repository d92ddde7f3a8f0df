#include "engine/compiler.h"

#include <unistd.h>

#include <algorithm>

#include "engine/early_slice.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/strided.h"

namespace espalier {
namespace {

constexpr const char* name_of_compile = "compile";
constexpr int most_lanes = 64;  // a bit each in the scratch that threads share
constexpr auto float_size = static_cast<int64_t>(sizeof(float));

// What of the second-level cache activations may fill; the rest is for weights on their way.
int64_t cache_for_activations() {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  constexpr int64_t usual = 512 * 1024;
  return (bytes > 0 ? bytes : usual) / 2;
}

void check_options(const PlanOptions& options) {
  if (options.threads < 0)
    argument_error(name_of_compile, "threads", std::to_string(options.threads),
                   "a positive number, or 0 to let the plan choose", "");
  if (options.chunk < 0 || options.chunk > PlanOptions::most_chunk)
    argument_error(
        name_of_compile, "chunk", std::to_string(options.chunk),
        "1 to " + std::to_string(PlanOptions::most_chunk) + " samples, or 0 to let the plan choose",
        "");
  if (const DType w = options.weights; w != DType::f32 && w != DType::f16 && w != DType::bf16)
    argument_error(name_of_compile, "weights", dtype_name(w), "f32, f16 or bf16", "");
}

// A plan deals samples out: what depends on the input, and the result, are rows of them.
void check_samples(const char* operand, const BatchShape& shape) {
  if (shape.empty() || shape[0].per_sample <= 0 || shape[0].fixed != 0)
    argument_error(name_of_compile, operand,
                   "a result of shape " + shape_at(shape, 2).str() + " at batch 2",
                   "the batch in the leading dimension, and no sample to depend on another",
                   "run the module itself");
}

}  // namespace

Shape batch_strides(const char* op, const BatchShape& shape) {
  for (size_t i = 1; i < shape.size(); ++i)
    if (shape[i].per_sample != 0)
      argument_error(name_of_compile, op, "a dimension that grows with the batch behind another",
                     "the batch in the leading dimension", "keep the batch first in forward()");
  return contiguous_strides(shape_at(shape, 1));
}

bool Operand::contiguous() const {
  int64_t expected = 1;
  for (int i = strides.rank() - 1; i >= 0; --i) {
    const BatchDim& dim = shape[static_cast<size_t>(i)];
    if (dim == BatchDim{0, 1}) continue;
    if (strides[i] != expected || (dim.per_sample != 0 && i > 0)) return false;
    expected *= dim.per_sample ? 1 : dim.fixed;
  }
  return true;
}

Compiler::Compiler(Graph graph, const PlanOptions& options)
    : graph_(std::move(graph)),
      options_(options),
      program_(std::make_unique<Plan::Program>()),
      places_(graph_.values.size()),
      last_use_(graph_.values.size(), -1),
      varies_(graph_.values.size()),
      absorbed_by_(graph_.nodes.size(), -1) {
  varies_[static_cast<size_t>(graph_.input)] = true;
  for (size_t n = 0; n < graph_.nodes.size(); ++n)
    for (int input : graph_.nodes[n].inputs)
      if (input != Graph::absent) last_use_[static_cast<size_t>(input)] = static_cast<int>(n);
  last_use_[static_cast<size_t>(graph_.output)] = static_cast<int>(graph_.nodes.size());
}

int Compiler::only_reader(int number) const {
  int uses = 0;
  for (const Graph::Node& user : graph_.nodes)
    for (int input : user.inputs) uses += input == number;
  const int last = last_use(number);  // no node for the graph's output
  return uses == 1 && last < static_cast<int>(graph_.nodes.size()) ? last : -1;
}

Address Compiler::add_constant(const Tensor& tensor) {
  program_->constants.push_back(tensor);
  program_->constant_data.push_back(tensor.bytes());
  return {Address::Space::constant, static_cast<int>(program_->constants.size()) - 1, 0};
}

Operand Compiler::operand(int number) {
  if (!place(number)) {
    const Graph::Value& constant = value(number);
    place(number) = Operand{constant.shape, constant.constant.strides(),
                            add_constant(constant.constant), constant.dtype};
  }
  return *place(number);
}

void Compiler::put(int number, const Operand& operand) {
  place(number) = operand;
  if (operand.address.space == Address::Space::arena)
    buffer(operand).last = std::max(buffer(operand).last, last_use(number));
}

Operand Compiler::new_buffer(const char* op, const BatchShape& shape, DType dtype, int first,
                             int last) {
  const Shape strides = batch_strides(op, shape);
  const auto size = static_cast<int64_t>(dtype_size(dtype));
  const int64_t at_0 = shape_at(shape, 0).numel() * size;
  const int64_t at_1 = shape_at(shape, 1).numel() * size;
  buffers_.push_back({{at_1 - at_0, at_0}, first, last});
  return {shape, strides, {Address::Space::arena, static_cast<int>(buffers_.size()) - 1, 0}, dtype};
}

Plan::StepInfo Compiler::info_of(int number, Isa isa) const {
  const Graph::Node& node = graph_.nodes[static_cast<size_t>(number)];
  Plan::StepInfo info{node.layer,
                      node.op->name,
                      isa,
                      value(node.output).dtype,
                      arithmetic_of(graph_, node),
                      cost_of(graph_, node, 1),
                      cost_of(graph_, node, 2)};
  // What one of its nodes writes for the next goes through no memory.
  const auto add = [&](NodeCost& cost, const NodeCost& next) {
    cost.flops += next.flops;
    cost.bytes_read += next.bytes_read - cost.bytes_written;
    cost.bytes_written = next.bytes_written;
  };
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    if (absorbed_by_[n] != number) continue;
    const Graph::Node& absorbed = graph_.nodes[n];
    info.operation += std::string(" + ") + absorbed.op->name;
    add(info.cost_of_one, cost_of(graph_, absorbed, 1));
    add(info.cost_of_two, cost_of(graph_, absorbed, 2));
  }
  return info;
}

void Compiler::add_step(Plan::StepInfo info, const char* name, StepFunction run, int64_t scratch) {
  program_->infos.push_back(std::move(info));
  program_->names.push_back(name);
  program_->steps.push_back(std::move(run));
  scratch_ = std::max(scratch_, scratch);
}

void Compiler::add_copy(const std::string& layer, const char* name, const Operand& from,
                        const Operand& to) {
  const int64_t size = from.element_size();
  const auto& best = copy_kernel(size);
  const auto cost = [&](int64_t batch) {
    const int64_t bytes = from.numel(batch) * size;
    return NodeCost{0, bytes, bytes};
  };
  add_step(
      {layer, name, best.isa, from.dtype, DType::f32, cost(1), cost(2)}, name,
      [=, &best](const StepRun& run) {
        copy_strided(best, shape_at(from.shape, run.batch), run.at<std::byte>(to.address),
                     to.strides, run.at<std::byte>(from.address), from.strides, size);
      },
      0);
}

void Compiler::check_node(const Graph::Node& node) {
  char varies = false;
  for (int input : node.inputs)
    if (input != Graph::absent) varies |= varies_[static_cast<size_t>(input)];
  varies_[static_cast<size_t>(node.output)] = varies;
  const Graph::Value& output = value(node.output);
  if (varies) check_samples(node.op->name, output.shape);
  batch_strides(node.op->name, output.shape);
}

void Compiler::lower_node(int number) {
  const Graph::Node& node = graph_.nodes[static_cast<size_t>(number)];
  if (!node.op->lower)
    argument_error(name_of_compile, node.op->name, "an operation without lowering",
                   "one that plans can run", "run the module itself");
  Lowering lowering(*this, number, number);
  node.op->lower(lowering);
}

void Compiler::copy_output() {
  check_samples("output", value(graph_.output).shape);
  const Operand from = operand(graph_.output);
  if (from.dtype != DType::f32)
    argument_error(name_of_compile, "output", std::string("a result of ") + dtype_name(from.dtype),
                   "f32", "end the function with dequantize() or to(DType::f32)");
  add_copy("", "output", from,
           {from.shape, batch_strides("output", from.shape), {Address::Space::output, 0, 0}});
}

MemoryLayout Compiler::layout_for(int64_t chunk) const {
  std::vector<BufferLife> lives;
  for (const Buffer& b : buffers_) lives.push_back({b.bytes.at(chunk), b.first, b.last});
  return lay_out(lives);
}

int64_t Compiler::cached_chunk() const {
  constexpr int64_t most = 32;
  int64_t chunk = 1;
  while (chunk < most &&
         layout_for(chunk + 1).bytes + scratch_ * float_size <= cache_for_activations())
    ++chunk;
  return chunk;
}

void Compiler::allocate() {
  Plan::Program& p = *program_;
  p.chunk = options_.chunk ? options_.chunk : cached_chunk();
  p.lanes = std::min(options_.threads ? options_.threads : num_threads(), most_lanes);
  const MemoryLayout layout = layout_for(p.chunk);
  p.offsets = layout.offsets;
  p.lane_bytes = layout.bytes;
  p.scratch_bytes = lay_out({{scratch_ * float_size, 0, 0}}).bytes;
  p.memory = Storage::allocate(static_cast<size_t>(p.lanes * (p.lane_bytes + p.scratch_bytes)));
  p.scratch_free = p.lanes == 64 ? ~uint64_t{0} : (uint64_t{1} << p.lanes) - 1;
}

std::unique_ptr<Plan::Program> Compiler::compile() {
  check_options(options_);
  program_->input = value(graph_.input);
  program_->output = value(graph_.output);
  place(graph_.input) = Operand{program_->input.shape,
                                batch_strides("input", program_->input.shape),
                                {Address::Space::input, 0, 0}};
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    check_node(graph_.nodes[n]);
    if (absorbed_by_[n] < 0) lower_node(static_cast<int>(n));
  }
  copy_output();
  allocate();
  return std::move(program_);
}

Plan compile(const Graph& graph, const PlanOptions& options) {
  return Plan(Compiler(slice_early(graph), options).compile());
}

}  // namespace espalier
