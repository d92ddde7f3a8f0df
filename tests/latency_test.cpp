#include "compress/latency.h"

#include "engine/parallel.h"
#include "tests/refusal.h"

namespace espalier::test {

TEST_CASE("latency: a smaller model takes a smaller share, and is timed once") {
  const ViTConfig whole = named_config("vit-fashion");
  ViTConfig smaller = whole;
  smaller.depth = 1;
  smaller.width = smaller.heads * 2;
  smaller.mlp_hidden = 4;
  smaller.conv_channels = {1};
  const int before = num_threads();
  set_num_threads(1);  // whose own time other programs do not lengthen
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    INFO(dtype);
    const auto latency = relative_latency(
        whole, {.batch = 1, .dtype = dtype, .measure = {.sample_seconds = 1e-4, .samples = 5}});
    const double share = latency(smaller);
    CHECK(share > 0);
    CHECK(share < 0.7);  // of a tenth of its work
    CHECK(latency(smaller) == share);
  }
  set_num_threads(before);
  CHECK(contains(refusal_of([&] { relative_latency(whole, {.batch = 0}); }), "batch is 0"));
  CHECK(contains(refusal_of([&] { relative_latency(whole, {.dtype = "u2"}); }), "'u2'"));
}

}  // namespace espalier::test
