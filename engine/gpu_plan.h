// A plan for a GPU: a captured graph whose launches are recorded and given again as a whole.
#pragma once

#include <memory>
#include <vector>

#include "engine/graph.h"
#include "engine/precision.h"

namespace espalier {

struct GpuPlanOptions {
  Precision precision = Precision::f32;  // of the products; all else is fp32
  // Without it every run calls the operations one by one, with the same bits.
  bool launch_graph = true;
};

// Runs a captured graph on a GPU on batches of any size. The first run on a size of batch calls the
// operations one by one; the second records their launches (engine/launch_graph.h), and from then
// on a run copies the batch to where the recording reads it and launches all of it at once. That
// allocates nothing, and its bits are those of the operations one by one. The sizes that came last
// keep their recordings, `kept_sizes` of them. While products go by cuBLAS (engine/cuda/cublas.h)
// nothing is recorded and no recording is used. One run at a time.
//
// Weights that lie on this GPU are read where they lie: a run sees the values that they have then.
// Those that lie elsewhere are copied when the plan is made, and a change of them is not seen: make
// another plan then.
class GpuPlan {
 public:
  static constexpr size_t kept_sizes = 8;

  // A device error where there is no such GPU, an argument error where `device` is none.
  GpuPlan(const Graph& graph, Device device, const GpuPlanOptions& options = {});
  GpuPlan(GpuPlan&&) noexcept;
  GpuPlan& operator=(GpuPlan&&) noexcept;
  ~GpuPlan();

  // Both on the CPU, f32 and contiguous; the captured sample shape behind a batch dimension. An
  // argument error otherwise, and a device error that names the operation where one has no kernel
  // for a GPU.
  void run(const Tensor& input, const Tensor& output);
  // The same into a fresh tensor.
  Tensor operator()(const Tensor& input);
  // The same of an f32 input on this GPU, where the result stays until the next run. Nobody waits.
  Tensor run_there(const Tensor& input);

  // Bytes of the GPU's memory that are the plan's own. They grow when a size of batch is new or
  // recorded, and never in between.
  struct Memory {
    int64_t weights;  // copied ones
    int64_t batches;  // inputs, and all that recordings write
  };
  Memory memory() const noexcept;
  // Runs so far that were one launch.
  int64_t launches() const noexcept { return launches_; }

 private:
  struct Batch;
  const Graph::Value& value(int number) const;
  Batch& batch_of(int64_t size);
  Tensor forward(const Tensor& input) const;
  Tensor output_of(Batch& batch);

  Graph graph_;  // on the GPU
  Device device_;
  GpuPlanOptions options_;
  int64_t weight_bytes_ = 0, launches_ = 0;
  std::vector<std::unique_ptr<Batch>> batches_;  // that of the last run comes first
};

}  // namespace espalier
