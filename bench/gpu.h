// What benchmarks on a GPU share: which GPU it is, and whose matrix products it can run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "engine/cuda/cublas.h"

namespace espalier::bench {

// Emulated GPUs are verified and never timed.
constexpr const char* emulated_note = "emulated: times mean nothing";

struct GpuFacts {
  Device device;
  std::string name;  // "NVIDIA H200 (sm_90)"
  bool emulated;
  std::string cublas;   // "cuBLASLt 13.0.2", or nothing
  std::string problem;  // why there is none

  // Text and JSON of benchmarks begin with the card: "on NVIDIA H200 (sm_90), cuBLASLt 13.0.2".
  std::string heading() const;
  std::string json() const;  // {"gpu", "emulated", "cublas", and a "note" where times mean nothing}
};
// Tries to open cuBLAS, and leaves products to our kernels.
GpuFacts gpu_facts(Device device);

// Ours, and cuBLAS where it can be had.
struct GemmChoice {
  const char* name;
  GpuGemm gemm;
};
std::vector<GemmChoice> gemm_choices(const GpuFacts& facts);

// Runs `f` with products by `gemm`, ours being those of whatever comes after.
void run_with_gemm(GpuGemm gemm, Device device, const std::function<void()>& f);

// Times candidates in turns, each sample up to where the GPU has done all of it; nothing where it
// is emulated.
std::vector<Timing> measure_on_gpu(const GpuFacts& facts,
                                   const std::vector<std::function<void()>>& candidates,
                                   const MeasureOptions& options);

}  // namespace espalier::bench
