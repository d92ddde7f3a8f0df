#include "engine/lowering.h"

#include "engine/compiler.h"
#include "engine/error.h"

namespace espalier {

const Graph::Node& Lowering::node() const {
  return compiler_.graph_.nodes[static_cast<size_t>(node_)];
}

bool Lowering::has(int input) const {
  const auto& inputs = node().inputs;
  return input < static_cast<int>(inputs.size()) &&
         inputs[static_cast<size_t>(input)] != Graph::absent;
}

bool Lowering::is_constant(int input) const {
  return compiler_.value(node().inputs[static_cast<size_t>(input)]).constant.defined();
}

Operand Lowering::in(int input) {
  return compiler_.operand(node().inputs[static_cast<size_t>(input)]);
}

Operand Lowering::contiguous_rows_in(int input) {
  if (in(input).shape.back().per_sample != 0)
    argument_error("compile", op(), "of rows whose length grows with the batch",
                   "rows of one length", "keep the batch in a dimension before the last");
  return contiguous_in(input);
}

Operand Lowering::even_rows_in(int input) {
  const Operand from = in(input);
  return from.even_rows() ? from : contiguous_in(input);
}

Operand Lowering::contiguous_in(int input) {
  const Operand from = in(input);
  if (from.contiguous()) return from;
  const Operand to = compiler_.new_buffer(op(), from.shape, from.dtype, first_, first_);
  compiler_.add_copy(node().layer, "copy", from, to);
  return to;
}

Tensor Lowering::constant(int input) const {
  const Graph::Value& value = compiler_.value(node().inputs[static_cast<size_t>(input)]);
  if (!value.constant.defined())
    argument_error("compile", op(), "an operand that is computed from the input",
                   "a parameter or a constant", "run the module itself");
  return value.constant;
}

const BatchShape& Lowering::out_shape() const { return compiler_.value(node().output).shape; }

Operand Lowering::out() {
  const int number = node().output;
  const Operand fresh = compiler_.new_buffer(op(), compiler_.value(number).shape,
                                             compiler_.value(number).dtype, first_, first_);
  compiler_.put(number, fresh);
  return fresh;
}

Operand Lowering::out_over(const Operand& input, int number) {
  bool free = input.address.space == Address::Space::arena && input.contiguous() &&
              input.shape == out_shape() && input.dtype == compiler_.value(node().output).dtype &&
              compiler_.buffer(input).last == node_;
  for (size_t i = 0; free && i < node().inputs.size(); ++i) {
    if (static_cast<int>(i) == number || !has(static_cast<int>(i))) continue;
    const Address other = in(static_cast<int>(i)).address;
    free = other.space != Address::Space::arena || other.index != input.address.index;
  }
  if (!free) return out();
  compiler_.put(node().output, input);
  return input;
}

void Lowering::out_view(const Operand& operand) { compiler_.put(node().output, operand); }

Address Lowering::keep(const Tensor& values) {
  compiler_.program_->weight_bytes +=
      static_cast<int64_t>(Storage::block_size(values.storage()->bytes()));
  return compiler_.add_constant(values);
}

DType Lowering::weights() const { return compiler_.options_.weights; }

std::optional<Lowering> Lowering::then(const char* op) const {
  const int next = compiler_.only_reader(node().output);
  if (next != node_ + 1) return std::nullopt;
  const Graph::Node& reader = compiler_.graph_.nodes[static_cast<size_t>(next)];
  if (reader.inputs[0] != node().output || !is_op(reader, op)) return std::nullopt;
  return Lowering(compiler_, next, first_);
}

std::optional<Operand> Lowering::absorb_addition() {
  const int number = node().output, sum = compiler_.only_reader(number);
  if (sum < 0) return std::nullopt;
  const auto& nodes = compiler_.graph_.nodes;
  const Graph::Node& addition = nodes[static_cast<size_t>(sum)];
  if (!is_op(addition, "add")) return std::nullopt;
  const int other = addition.inputs[addition.inputs[0] == number ? 1 : 0];
  if (!compiler_.place(other)) return std::nullopt;
  const Operand to = *compiler_.place(other);
  if (to.address.space != Address::Space::arena || !to.contiguous() ||
      !(to.shape == compiler_.value(number).shape) || compiler_.buffer(to).last != sum)
    return std::nullopt;
  // Nobody may read the other term between here and the sum, nor this step its own result.
  for (size_t v = 0; v < compiler_.graph_.values.size(); ++v) {
    const std::optional<Operand>& at = compiler_.places_[v];
    if (!at || at->address.space != Address::Space::arena || at->address.index != to.address.index)
      continue;
    for (int user = first_; user < sum; ++user)
      for (int input : nodes[static_cast<size_t>(user)].inputs)
        if (input == static_cast<int>(v)) return std::nullopt;
  }
  compiler_.absorb(sum, first_);
  compiler_.put(number, to);
  compiler_.put(addition.output, to);
  return to;
}

int64_t Lowering::integer(const char* name) const {
  const BatchDim& dim = attribute<BatchDim>(node(), name);
  if (dim.per_sample != 0)
    argument_error("compile", op(), std::string(name) + " that changes with the batch",
                   "one number", "");
  return dim.fixed;
}
double Lowering::real(const char* name) const { return attribute<double>(node(), name); }
const char* Lowering::text(const char* name) const { return attribute<const char*>(node(), name); }
const BatchShape& Lowering::shape(const char* name) const {
  return attribute<BatchShape>(node(), name);
}

void Lowering::step(Isa isa, StepFunction run, int64_t scratch, std::optional<DType> arithmetic) {
  for (int n = first_ + 1; n <= node_; ++n) compiler_.absorb(n, first_);
  Plan::StepInfo info = compiler_.info_of(first_, isa);
  if (arithmetic) info.arithmetic = *arithmetic;
  compiler_.add_step(std::move(info), op(), std::move(run), scratch);
}

}  // namespace espalier
