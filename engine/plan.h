// A compiled plan: a graph lowered to steps over memory that was laid out beforehand.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "kernels/isa.h"

namespace espalier {

struct PlanOptions {
  static constexpr int64_t most_chunk = 65'536;

  // Threads that a run uses at most; 0 for num_threads() at compile time.
  int threads = 0;
  // Samples that pass through all steps together, at most `most_chunk`; 0 for as many as the
  // second-level cache holds.
  int64_t chunk = 0;
  // How linear's weights are stored: f32, or f16 or bf16 in half the bytes. f16 rounds the weights
  // alone; bf16 rounds what they are multiplied with too, and where the processor multiplies bf16
  // what attention multiplies, and convolutions of an even number of channels. Sums are fp32, and
  // so is all else.
  DType weights = DType::f32;
};

// Runs a captured graph on batches of any size. Weights are packed and every buffer is placed when
// the plan is made: running allocates nothing and decides nothing. Results are the same bits for
// any batch, chunk and number of threads. One run at a time.
class Plan {
 public:
  Plan(Plan&&) noexcept;
  Plan& operator=(Plan&&) noexcept;
  ~Plan();

  // input: contiguous, the captured sample shape behind a batch dimension; output likewise.
  void run(const Tensor& input, const Tensor& output);
  // The same into a fresh tensor.
  Tensor operator()(const Tensor& input);

  // While the profiler is on, each step is a scope that names its number here.
  struct StepInfo {
    std::string layer;
    std::string operation;              // "linear + add" where operations were fused
    Isa isa;                            // of the kernel row that runs
    DType dtype;                        // of the values that it writes
    DType arithmetic;                   // that its kernel row multiplies in
    NodeCost cost_of_one, cost_of_two;  // of batches 1 and 2: the rest lies on a line

    NodeCost cost(int64_t batch) const noexcept;
  };
  const std::vector<StepInfo>& steps() const noexcept;

  // Bytes that the plan takes from the system, all of them before it first runs.
  struct Memory {
    int64_t activations;  // of all threads
    int64_t weights;      // packed copies; parameters used in place stay the module's
  };
  Memory memory() const noexcept;
  int64_t chunk() const noexcept;
  int threads() const noexcept;

 private:
  friend class Compiler;
  friend Plan compile(const Graph& graph, const PlanOptions& options);
  struct Program;
  explicit Plan(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

// Argument errors: an option out of range, an operation that has no lowering, a result other
// than f32, a graph whose batch is not the leading dimension throughout. Weights are read now:
// compile again after changing them.
Plan compile(const Graph& graph, const PlanOptions& options = {});

}  // namespace espalier
