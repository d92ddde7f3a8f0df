// Why each part of a chosen model has its form.
#pragma once

#include "compress/auto_optimizer/auto_optimizer.h"

namespace espalier {

// Profiles the model's file on `threads` threads at `batch` and holds each part against the table.
std::vector<PartChoice> explain(const CostTable& table, const OptimizedModel& model,
                                const bench::HardwareProfile& here, int64_t batch, int threads);

}  // namespace espalier
