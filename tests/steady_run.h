// What a running plan must not do.
#pragma once

#include <doctest/doctest.h>

#include "engine/dispatch.h"
#include "engine/plan.h"
#include "engine/storage.h"
#include "tests/allocations.h"

namespace espalier::test {

// One more run of a plan that ran before takes nothing from the heap, chooses no kernel and needs
// no memory beyond what is in use.
inline void check_steady_run(Plan& plan, const Tensor& x, const Tensor& y) {
  reset_peak_memory();
  const size_t in_use = memory_stats().in_use;
  const int64_t allocated = allocations(), chosen = dispatch_count();
  plan.run(x, y);
  CHECK(allocations() == allocated);
  CHECK(dispatch_count() == chosen);
  CHECK(memory_stats().peak == in_use);
}

}  // namespace espalier::test
