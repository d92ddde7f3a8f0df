// What a model costs with fewer channels, before anything is removed.
#pragma once

#include <functional>

#include "compress/pruning/coupling.h"

namespace espalier {

// How many channels of each group are kept.
using Widths = std::vector<int64_t>;
Widths full_widths(const Coupling& coupling);

// Any measure that falls with the widths: these two, or a latency that the caller measures.
using CostFunction = std::function<double(const Widths& widths)>;

// The number of values in the parameters.
double parameters_at(const Graph& graph, const Coupling& coupling, const Widths& widths);
// Floating-point operations for one sample, as each operation counts them.
double flops_at(const Graph& graph, const Coupling& coupling, const Widths& widths);

}  // namespace espalier
