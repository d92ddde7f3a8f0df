// Which kernel row runs: the best one under ESPALIER_ISA or the --isa flag.
#pragma once

#include <string_view>

#include "kernels/isa.h"

namespace espalier {

// Restricts kernels to `name` and below, e.g. "avx2". Throws a device error, with the names that
// would be right, when the name is unknown or this CPU lacks the set.
void set_isa(std::string_view name);

// Applies the ESPALIER_ISA environment variable once; later calls do nothing. Throws as set_isa.
void apply_isa_environment();

// How many rows this thread has chosen so far: a compiled plan chooses none while it runs.
int64_t dispatch_count() noexcept;
void count_dispatch() noexcept;

// Throws a device error: the operation at hand has no kernel for a GPU.
[[noreturn]] void no_cuda_kernel();
// Throws one where the heads of the attention at hand have more tokens than its kernels take.
void check_gpu_tokens(int64_t tokens, int64_t most);

// The best row that may run, with ESPALIER_ISA honoured. A device error where this thread's kernels
// run on a GPU and the table has none for it.
template <class Row>
const Row& kernel(std::span<const Row> rows) {
  apply_isa_environment();
  count_dispatch();
  const Row& row = best_row(rows);
  if (!isa_allowed(row.isa)) no_cuda_kernel();
  return row;
}

}  // namespace espalier
