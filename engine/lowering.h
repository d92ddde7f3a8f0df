// How an operation becomes a step of a compiled plan. An op's file implements one function,
// `void lower(Lowering&)`, beside its forward and its derivative, and names it in its Op.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "kernels/isa.h"

namespace espalier {

// Where a value lies. While a plan runs, StepRun turns it into a pointer for the chunk at hand.
struct Address {
  enum class Space { arena, constant, input, output };
  Space space = Space::arena;
  int index = 0;       // of an arena buffer or a constant
  int64_t offset = 0;  // in bytes
};

// A value with its layout. Only the leading dimension may grow with the batch, so that strides (in
// elements) are fixed.
struct Operand {
  BatchShape shape;
  Shape strides;
  Address address;
  DType dtype = DType::f32;

  int64_t element_size() const { return static_cast<int64_t>(dtype_size(dtype)); }
  bool contiguous() const;
  // Rows of the last dimension, each contiguous, one stride apart: all of a contiguous value, or a
  // matrix.
  bool even_rows() const { return contiguous() || (shape.size() == 2 && strides[1] == 1); }
  int64_t row_stride() const { return contiguous() ? back() : strides[0]; }
  int64_t numel(int64_t batch) const { return shape_at(shape, batch).numel(); }
  int64_t back() const { return shape.back().fixed; }
  // Rows of the last dimension.
  int64_t rows(int64_t batch) const { return back() ? numel(batch) / back() : 0; }
};

// What a step is given when it runs: `batch` samples, in one lane's memory.
class StepRun {
 public:
  int64_t batch = 0;

  // Several threads work on the step, by parallel_for; else this one alone.
  bool shared() const { return scratch_free_ != nullptr; }

  template <class T = float>
  T* at(const Address& address) const {
    return reinterpret_cast<T*>(base(address) + address.offset);
  }

 private:
  std::byte* base(const Address& address) const {
    const auto index = static_cast<size_t>(address.index);
    switch (address.space) {
      case Address::Space::arena:
        return arena_ + offsets_[index];
      case Address::Space::constant:
        return constants_[index];
      case Address::Space::input:
        return input_;
      case Address::Space::output:
        break;
    }
    return output_;
  }

  friend class Plan;
  friend class Scratch;
  std::byte *arena_ = nullptr, *input_ = nullptr, *output_ = nullptr;
  const int64_t* offsets_ = nullptr;
  std::byte* const* constants_ = nullptr;
  // One piece of scratch for each thread that may work on a step, `scratch_stride_` apart.
  std::byte* scratch_ = nullptr;
  int64_t scratch_stride_ = 0;
  std::atomic<uint64_t>* scratch_free_ = nullptr;  // a bit a piece; null where a thread has its own
};

// The scratch of one piece of a step's work, as large as the step asked for.
class Scratch {
 public:
  explicit Scratch(const StepRun& run) noexcept;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* data() const noexcept { return reinterpret_cast<float*>(at_); }

 private:
  std::atomic<uint64_t>* free_;
  uint64_t bit_ = 0;
  std::byte* at_;
};

using StepFunction = std::function<void(const StepRun&)>;

// One node's view of the plan that is being made.
class Lowering {
 public:
  const Graph::Node& node() const;
  const char* op() const { return node().op->name; }

  // ---- operands ----
  bool has(int input) const;
  bool is_constant(int input) const;
  // As it lies: perhaps a view.
  Operand in(int input);
  // Contiguous: copied by a step of its own where it is not.
  Operand contiguous_in(int input);
  // The same, as rows of the last dimension: an argument error where that grows with the batch.
  Operand contiguous_rows_in(int input);
  Operand even_rows_in(int input);  // copied only where its rows are uneven
  // The values of a parameter or constant, for packing; an argument error for an activation.
  Tensor constant(int input) const;
  const BatchShape& out_shape() const;
  // Fresh memory for the output.
  Operand out();
  // The output in the memory of a contiguous input that nobody needs afterwards; else fresh memory.
  Operand out_over(const Operand& input, int number);
  // The output is another look at an input's memory.
  void out_view(const Operand& operand);
  // Memory in the plan that is filled now, such as packed weights.
  Address keep(const Tensor& values);

  // What the plan stores weights of matrix products in: f32, f16 or bf16.
  DType weights() const;

  // ---- fusion ----
  // The next node, where it is an `op` whose first input is this one's output, which nobody else
  // reads: then one step can do the work of both. It is that of the node whose step() is called,
  // and runs at this one's place.
  std::optional<Lowering> then(const char* op) const;
  // Where the output is only added to a value of its shape that dies there: that value, which then
  // is the sum's memory too. The addition is done by whoever asked.
  std::optional<Operand> absorb_addition();

  // ---- attributes ----
  int64_t integer(const char* name) const;  // one that does not change with the batch
  double real(const char* name) const;
  const char* text(const char* name) const;
  const BatchShape& shape(const char* name) const;

  // The work of the node and of those before it back to where then() was called first, done by a
  // kernel row of `isa`. `scratch` is in floats, for each thread; `arithmetic` is what the row
  // multiplies in, where that is not arithmetic_of() the node.
  void step(Isa isa, StepFunction run, int64_t scratch = 0, std::optional<DType> arithmetic = {});

 private:
  friend class Compiler;
  Lowering(class Compiler& compiler, int node, int first)
      : compiler_(compiler), node_(node), first_(first) {}
  class Compiler& compiler_;
  int node_;
  int first_;  // where its step runs
};

// The strides of a contiguous value; an argument error naming `op` where a dimension other than the
// leading one grows with the batch.
Shape batch_strides(const char* op, const BatchShape& shape);

}  // namespace espalier
