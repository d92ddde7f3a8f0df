// What was measured of a model, as JSON.
#pragma once

#include "compress/benchmark_models.h"

namespace espalier {

// The text of an object; logits and single answers are left out.
std::string to_json(const ModelMetrics& metrics);

}  // namespace espalier
