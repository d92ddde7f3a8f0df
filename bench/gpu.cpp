#include "bench/gpu.h"

#include "engine/cuda/cublas_library.h"
#include "engine/cuda/runtime.h"
#include "engine/device_memory.h"
#include "engine/error.h"
#include "engine/io/json.h"

namespace espalier::bench {

std::string GpuFacts::heading() const {
  return "on " + name + ", " + (cublas.empty() ? "without cuBLAS (" + problem + ")" : cublas) +
         (emulated ? std::string("; ") + emulated_note : "");
}

std::string GpuFacts::json() const {
  Json out = {{"gpu", name}, {"emulated", emulated}};
  out["cublas"] = cublas.empty() ? Json() : Json(cublas);
  if (cublas.empty()) out["without_cublas"] = problem;
  if (emulated) out["note"] = emulated_note;
  return out.dump();
}

GpuFacts gpu_facts(Device device) {
  GpuFacts facts{device, device_name(device), cuda::is_emulated(), "", ""};
  try {
    run_with_gemm(GpuGemm::cublas, device, [] {});
    facts.cublas = cuda::cublas_library().version();
  } catch (const Error& error) {
    facts.problem = error.what();
  }
  return facts;
}

std::vector<GemmChoice> gemm_choices(const GpuFacts& facts) {
  std::vector<GemmChoice> choices = {{"own", GpuGemm::own}};
  if (!facts.cublas.empty()) choices.push_back({"cuBLAS", GpuGemm::cublas});
  return choices;
}

void run_with_gemm(GpuGemm gemm, Device device, const std::function<void()>& f) {
  struct Restore {
    ~Restore() { set_gpu_gemm(GpuGemm::own); }
  } restore;
  set_gpu_gemm(gemm, device);
  f();
}

std::vector<Timing> measure_on_gpu(const GpuFacts& facts,
                                   const std::vector<std::function<void()>>& candidates,
                                   const MeasureOptions& options) {
  if (facts.emulated) return {};
  return measure(candidates, options, [device = facts.device] { synchronize(device); });
}

}  // namespace espalier::bench
