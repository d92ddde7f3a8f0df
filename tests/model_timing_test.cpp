// The forms of a model, timed in turns.
#include "bench/model_timing.h"

#include "bench/hardware.h"
#include "compress/convert.h"
#include "engine/parallel.h"
#include "nn/int8_graph.h"
#include "tests/kernel_test.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

using bench::ModelForm;
using bench::ModelTiming;

// 16 patches of 4 values, by a convolution, and the class token.
const ViTConfig config = {.image_size = 8,
                          .classes = 3,
                          .tokenizer = "patch",
                          .patch_size = 2,
                          .conv_channels = {},
                          .width = 16,
                          .depth = 2,
                          .heads = 2,
                          .mlp_hidden = 24,
                          .pooling = "class"};
constexpr double tokens = 17, width = 16, hidden = 24, depth = 2, classes = 3;

Graph fp32_graph(const ViTConfig& of = config) {
  Generator generator(1);
  VisionTransformer model(of, generator);
  model.eval();
  return capture(model);
}

Graph int8_graph_of(const Graph& fp32) {
  Generator generator(2);
  return int8_graph(fp32, convert_int8(fp32, normal(config.batch_shape(8), generator)));
}

double operations(const ModelTiming& timing, DType arithmetic) {
  for (const ModelTiming::Part& part : timing.parts)
    if (part.arithmetic == arithmetic) return part.operations;
  return 0;
}

double counted(const Graph& graph, int64_t batch) {
  double sum = 0;
  for (const Graph::Node& node : graph.nodes)
    sum += static_cast<double>(cost_of(graph, node, batch).flops);
  return sum;
}

}  // namespace

TEST_CASE("the forms of a model are verified, and whole numbers must agree to the bit") {
  const int before = num_threads();
  const Graph fp32 = fp32_graph(), int8 = int8_graph_of(fp32);
  const ModelForm forms[] = {{fp32}, {fp32, DType::bf16}, {fp32, DType::f16}, {int8}};
  const auto timings =
      bench::measure_model(config, forms, 5, 1, {.sample_seconds = 1e-4, .budget_seconds = 0.05});
  REQUIRE(timings.size() == 4);
  const char* names[] = {"f32", "bf16", "f16", "int8"};
  for (size_t i = 0; i < 4; ++i) {
    const ModelTiming& t = timings[i];
    INFO(std::string(names[i]), ": ", t.difference, " of ", t.tolerance);
    CHECK(t.dtype == names[i]);
    CHECK(t.verified());
    CHECK((t.tolerance == 0) == (t.dtype == "int8"));
    // The last block of a class token is computed for that token alone.
    CHECK(t.operations() < counted(forms[i].graph, 5));
    double floor = 0;
    for (const ModelTiming::Part& part : t.parts) floor += part.operations / part.peak;
    CHECK(t.floor_seconds() == floor);
    CHECK(t.over_f32 > 0);
    CHECK(contains(bench::model_table_line(t), t.dtype.c_str()));
  }
  CHECK(timings[0].over_f32 == 1);
  set_num_threads(before);
}

TEST_CASE("a form is compared with the fp32 plan, and one that is wrong is not timed") {
  const int before = num_threads();
  ViTConfig deep = config;
  deep.depth = 16 * config.depth;
  const bench::MeasureOptions quick = {.sample_seconds = 1e-4, .budget_seconds = 0.05};
  const ModelForm forms[] = {{fp32_graph(deep), DType::f16}, {fp32_graph()}};
  const auto timings = bench::measure_model(deep, forms, 3, 1, quick);
  CHECK(timings[0].over_f32 < 0.5);
  CHECK(timings[1].over_f32 == 1);

  ViTConfig flat = config;  // without blocks rounding would have no excuse
  flat.depth = 0;
  const ModelForm pair[] = {{fp32_graph()}, {int8_graph_of(fp32_graph())}};
  const auto judged = bench::measure_model(flat, pair, 3, 1, quick);
  CHECK(!judged[0].verified());
  CHECK(judged[0].plan.median == 0);
  CHECK(judged[1].verified());
  CHECK(judged[1].plan.median > 0);
  CHECK(judged[1].over_f32 == 0);
  set_num_threads(before);
}

// A block multiplies each token by (3 + 1) D x D and 2 D x H weights, and all pairs of tokens
// twice. In the last one, all but 3 D x D is for the class token alone.
TEST_CASE("each operation counts where its products are computed") {
  const int before = num_threads();
  const double after_attention = width * width + 2 * width * hidden;
  const double layers =
      2 * (tokens * depth * (3 * width * width + after_attention) - (tokens - 1) * after_attention);
  const double pairs = 2 * ((depth - 1) * tokens + 1) * 2 * tokens * width;
  const double head = 2 * classes * width, tokenizer = 2 * 16 * 4 * width;
  const Graph fp32 = fp32_graph();
  const ModelForm forms[] = {{fp32, DType::bf16}, {int8_graph_of(fp32)}};
  const auto timings =
      bench::measure_model(config, forms, 1, 1, {.sample_seconds = 1e-5, .budget_seconds = 0.01});
  for (const ModelTiming& t : timings) CHECK(t.over_f32 == 0);
  // A linear layer counts its bias, one operation a result, as well.
  const double biases = tokens * depth * (4 * width + width + hidden);
  CHECK(operations(timings[1], DType::s8) >= layers + pairs);
  CHECK(operations(timings[1], DType::s8) <= layers + pairs + 2 * biases);
  CHECK(operations(timings[1], DType::bf16) == 0);
  CHECK(operations(timings[1], DType::f32) > head + tokenizer);
  CHECK(operations(timings[0], DType::s8) == 0);
  CHECK(operations(timings[0], DType::bf16) >= layers + head);
  // One step with the layers around it counts its GELU there too.
  const double gelus = 24 * hidden * (tokens * (depth - 1) + 1);
  CHECK(operations(timings[0], DType::bf16) <=
        layers + pairs + head + 2 * (biases + classes) + gelus);
  set_num_threads(before);
}

}  // namespace espalier::test
