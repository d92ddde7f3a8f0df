#include "cl/ledger.h"

#include "engine/device_scope.h"
#include "engine/error.h"
#include "engine/io/json.h"

namespace espalier {

double multiply_accumulates(StagedModule& network, int64_t begin, int64_t end) {
  const EvaluationScope without_dropout(network);
  const DeviceScope there(network.device());
  const Graph graph = capture([&](const Tensor& x) { return network.run_stages(x, begin, end); },
                              shape_entering(network, begin), network.named_parameters());
  int64_t flops = 0;
  for (const Graph::Node& node : graph.nodes)
    flops += cost_of(graph, node, 2).flops - cost_of(graph, node, 1).flops;
  return static_cast<double>(flops) / 2;
}

double multiply_accumulates(StagedModule& network) {
  return multiply_accumulates(network, 0, network.stages());
}

std::string to_json(const Ledger& l) {
  const Json json = {{"memory_bytes", l.memory_bytes},
                     {"model_bytes", l.model_bytes},
                     {"method_bytes", l.method_bytes},
                     {"rows", l.rows},
                     {"multiply_accumulates", l.multiply_accumulates},
                     {"seconds", l.seconds}};
  return json.dump();
}

Ledger ledger_from_json(const std::string& text, const std::string& origin) {
  const Json json = parse_json(text, origin);
  try {
    return {.memory_bytes = json.at("memory_bytes").get<int64_t>(),
            .model_bytes = json.at("model_bytes").get<int64_t>(),
            .method_bytes = json.at("method_bytes").get<int64_t>(),
            .rows = json.at("rows").get<int64_t>(),
            .multiply_accumulates = json.at("multiply_accumulates").get<int64_t>(),
            .seconds = json.at("seconds").get<double>()};
  } catch (const Json::exception& error) {
    file_error(origin, std::string("damaged ledger: ") + error.what());
  }
}

}  // namespace espalier
