#include "compress/metrics_json.h"

#include "engine/io/json.h"

namespace espalier {

std::string to_json(const ModelMetrics& m) {
  Json speeds = Json::array();
  for (const ModelMetrics::Speed& speed : m.speeds) {
    speeds.push_back({{"batch", speed.batch},
                      {"seconds", speed.seconds.median},
                      {"spread", speed.seconds.spread()},
                      {"images_per_second", speed.images_per_second()},
                      {"times_as_fast", speed.times_as_fast}});
    if (speed.joules_per_image) speeds.back()["joules_per_image"] = *speed.joules_per_image;
  }
  Json out = {{"label", m.label},
              {"path", m.path},
              {"dtype", m.dtype},
              {"accuracy", m.evaluation.accuracy()},
              {"half_interval_95", m.evaluation.half_interval()},
              {"samples", m.evaluation.samples},
              {"file_bytes", m.file_bytes},
              {"parameters", m.parameters},
              {"flops", m.flops},
              {"memory_bytes", m.memory_bytes},
              {"speeds", speeds}};
  if (m.zero_weights) out["zero_weights"] = *m.zero_weights;
  return out.dump();
}

}  // namespace espalier
