// What can be chosen for whole numbers without training, put together.
#include "compress/quantize_model.h"

#include "compress/bias_correction.h"
#include "compress/equalize.h"
#include "compress/observers/percentile.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

void check_same(const NamedTensors& found, const NamedTensors& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    INFO(found[i].first);
    CHECK(found[i].first == expected[i].first);
    CHECK(found[i].second.to_vector() == expected[i].second.to_vector());
  }
}

}  // namespace

TEST_CASE("post-training equalises, then converts, then corrects biases, each where wanted") {
  Generator generator(1);
  const Int8Model m(small_config("patch", "class"), generator);
  check_same(quantize_model(m.graph, m.images, {}).parameters, m.parameters);
  const Graph even = equalize(m.graph, m.images, 0.25);
  const NamedTensors parameters = convert_int8(
      even, calibrate(even, m.images, [] { return std::make_unique<PercentileObserver>(); }));
  const IntegerModel made = quantize_model(
      m.graph, m.images, {.observer = "percentile", .equalize = 0.25, .bias_correction = true});
  check_same(made.parameters, correct_biases(even, parameters, m.images));
  CHECK(contains(refusal_of([&] { quantize_model(m.graph, m.images, {.observer = "best"}); }),
                 "min_max"));
}

}  // namespace espalier::test
