#include "engine/dispatch.h"

#include <cstdlib>
#include <string>

#include "engine/device_scope.h"
#include "engine/error.h"

namespace espalier {
namespace {

thread_local int64_t dispatches = 0;

}  // namespace

void set_isa(std::string_view name) {
  const auto isa = isa_from_name(name);
  if (isa && cpu_can_run(*isa)) return limit_isa(*isa);
  std::string runnable;
  for (Isa candidate : built_isas())
    if (cpu_can_run(candidate))
      runnable += (runnable.empty() ? "" : ", ") + std::string(isa_name(candidate));
  throw Error(ErrorKind::device, "ISA '" + std::string(name) + "' " +
                                     (isa ? "is not supported by this CPU" : "is unknown") +
                                     "; this machine runs " + runnable);
}

void apply_isa_environment() {
  [[maybe_unused]] static const bool applied = [] {
    if (const char* name = std::getenv("ESPALIER_ISA"); name && *name) set_isa(name);
    return true;
  }();
}

void no_cuda_kernel() {
  throw Error(ErrorKind::device,
              std::string(current_operation()) +
                  ": no kernel for a GPU; move its operands with to(Device::cpu())");
}

void check_gpu_tokens(int64_t tokens, int64_t most) {
  if (tokens > most)
    throw Error(ErrorKind::device, std::string(current_operation()) + ": " +
                                       std::to_string(tokens) + " tokens; kernels for a GPU take " +
                                       std::to_string(most) + "; use the CPU");
}

int64_t dispatch_count() noexcept { return dispatches; }
void count_dispatch() noexcept { ++dispatches; }

}  // namespace espalier
