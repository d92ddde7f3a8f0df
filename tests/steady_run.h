// What tests of compiled plans share: the steps by name, and what a running plan must not do.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/dispatch.h"
#include "engine/plan.h"
#include "engine/storage.h"
#include "tests/allocations.h"

namespace espalier::test {

inline std::vector<std::string> operations_of(const Plan& plan) {
  std::vector<std::string> names;
  for (const Plan::StepInfo& step : plan.steps()) names.push_back(step.operation);
  return names;
}

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
