// The table of a comparison: Markdown that is aligned, so that it reads as well on a terminal.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compress/benchmark_models.h"

namespace espalier {

// The first row heads the columns; all but the first column stand to the right.
std::string markdown_table(const std::vector<std::vector<std::string>>& rows);

// For each model: file size, latency and images a second at each batch size, memory, accuracy with
// half of its 95 % interval, parameters, and energy where it was counted.
std::string comparison_table(std::span<const ModelMetrics> models);

// "2.87 MB", or "362 kB" below a megabyte.
std::string size_text(int64_t bytes);

}  // namespace espalier
