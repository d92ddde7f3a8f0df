#include "compress/calibrate.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/view.h"
#include "engine/replay.h"

namespace espalier {

void run_watched(const Graph& graph, const Tensor& inputs, const Watch& watch) {
  check_min_rank("calibrate", "inputs", inputs, 1);
  if (inputs.size(0) == 0)
    argument_error("calibrate", "inputs", inputs.describe(), "at least one", "");
  const NoGradGuard off;
  constexpr int64_t batch = 32;  // whose activations stay in cache
  for (int64_t begin = 0; begin < inputs.size(0); begin += batch) {
    const Tensor x = slice(inputs, 0, begin, std::min(inputs.size(0), begin + batch));
    watch(graph.input, x);
    replay(graph, x, [&](const NodeCall& call) {
      const Tensor y = call.run();
      watch(call.node.output, y);
      return y;
    });
  }
}

Observers calibrate(const Graph& graph, const Tensor& inputs, const ObserverFactory& make) {
  Observers observers(graph.values.size());
  run_watched(graph, inputs, [&](int value, const Tensor& x) {
    auto& observer = observers[static_cast<size_t>(value)];
    if (!observer) observer = make();
    observer->observe(x);
  });
  return observers;
}

}  // namespace espalier
