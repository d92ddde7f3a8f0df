#include "compress/quantize_model.h"

#include "compress/bias_correction.h"
#include "compress/convert.h"
#include "compress/equalize.h"
#include "compress/observers/factory.h"

namespace espalier {

IntegerModel quantize_model(const Graph& graph, const Tensor& inputs, const QuantizeOptions& how) {
  const ObserverFactory make = observer_factory(how.observer);
  IntegerModel out;
  out.graph = how.equalize ? equalize(graph, inputs, *how.equalize) : graph;
  out.scales = choose_int8_scales(out.graph, calibrate(out.graph, inputs, make), how.keep);
  out.parameters = convert_int8(out.graph, out.scales);
  if (how.bias_correction) out.parameters = correct_biases(out.graph, out.parameters, inputs);
  return out;
}

}  // namespace espalier
