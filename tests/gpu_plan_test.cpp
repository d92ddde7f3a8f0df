// Plans for a GPU against the operations one by one.
#include "engine/gpu_plan.h"

#include "engine/autograd.h"
#include "engine/capture.h"
#include "engine/cuda/cublas.h"
#include "engine/cuda/runtime.h"
#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "engine/launch_graph.h"
#include "engine/ops/linear.h"
#include "engine/ops/relu.h"
#include "engine/ops/view.h"
#include "engine/replay.h"
#include "engine/storage.h"
#include "nn/evaluate.h"
#include "tests/allocations.h"
#include "tests/device_training.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

constexpr Device first_gpu{Device::Kind::cuda, 0};
constexpr Precision every_precision[] = {Precision::f32, Precision::bf16, Precision::f16};

// A small model of transformers, its weights on the GPU or not.
struct PlannedModel {
  ViTConfig config = tiny_run(1).model;
  std::unique_ptr<VisionTransformer> model;
  Graph graph;

  explicit PlannedModel(Device device = Device::cpu()) {
    config.dropout = config.drop_path = 0;
    model = initial_model(config, 1);
    model->eval();
    model->to(device);
    const DeviceScope there(device);  // where the capture makes its inputs
    graph = capture(*model);
  }
  Tensor images(int64_t batch, unsigned seed) const {
    return random_tensor(config.batch_shape(batch), seed, DType::f32);
  }
  Graph on_gpu() const {
    Graph there = graph;
    for (Graph::Value& value : there.values)
      if (value.constant.defined()) value.constant = value.constant.detach().to(first_gpu);
    return there;
  }
  // Operation by operation, by no plan.
  std::vector<double> one_by_one(const Tensor& images, Precision precision) const {
    const NoGradGuard off;
    const PrecisionScope products(precision);
    return replay(on_gpu(), images.to(first_gpu)).to_vector();
  }
};

}  // namespace

TEST_CASE("a plan for a GPU gives the bits of its operations one by one, for any batch") {
  if (cuda_device_count() == 0) return;
  const PlannedModel m;
  std::vector<std::vector<double>> of_precision;
  for (const Precision precision : every_precision) {
    INFO("precision: ", std::string(precision_name(precision)));
    GpuPlan plan(m.graph, first_gpu, {.precision = precision});
    int64_t launches = 0;
    // Full batches, a last one that is short, and full ones again.
    for (const int64_t batch : {3, 3, 1, 3, 1, 2}) {
      const Tensor images = m.images(batch, static_cast<unsigned>(++launches));
      CHECK(plan(images).to_vector() == m.one_by_one(images, precision));
    }
    CHECK(plan.launches() == 3);  // all but the first of each size
    of_precision.push_back(plan(m.images(3, 1)).to_vector());
  }
  CHECK(of_precision[0] != of_precision[1]);
  CHECK(of_precision[0] != of_precision[2]);
  CHECK(of_precision[1] != of_precision[2]);
}

TEST_CASE(
    "a plan for a GPU launches nothing as a whole where that is left out, or cuBLAS multiplies") {
  if (cuda_device_count() == 0) return;
  const PlannedModel m;
  const Tensor images = m.images(2, 1);
  const std::vector<double> expected = m.one_by_one(images, Precision::f32);
  GpuPlan plan(m.graph, first_gpu, {.launch_graph = false});
  for (int i = 0; i < 3; ++i) CHECK(plan(images).to_vector() == expected);
  CHECK(plan.launches() == 0);
  try {
    set_gpu_gemm(GpuGemm::cublas);
  } catch (const Error&) {
    return;  // this machine has none
  }
  GpuPlan other(m.graph, first_gpu);
  const std::vector<double> by_cublas = m.one_by_one(images, Precision::f32);
  for (int i = 0; i < 3; ++i) CHECK(other(images).to_vector() == by_cublas);
  CHECK(other.launches() == 0);
  set_gpu_gemm(GpuGemm::own);
  for (int i = 0; i < 2; ++i) CHECK(other(images).to_vector() == expected);
  CHECK(other.launches() == 1);
}

TEST_CASE("a plan for a GPU takes an input that lies there, and leaves its result there") {
  if (cuda_device_count() == 0) return;
  const PlannedModel m;
  GpuPlan plan(m.graph, first_gpu);
  for (unsigned seed = 0; seed < 3; ++seed) {
    const Tensor images = m.images(2, seed), there = images.to(first_gpu);
    const Tensor logits = plan.run_there(there);
    CHECK(logits.device() == first_gpu);
    CHECK(logits.to_vector() == m.one_by_one(images, Precision::f32));
    CHECK(logits.to_vector() == plan(images).to_vector());  // by turns
  }
  CHECK(plan.launches() == 5);
  CHECK(plan.run_there(m.images(0, 1).to(first_gpu)).numel() == 0);
}

TEST_CASE("a steady run of a plan for a GPU takes no memory, and the plan knows what it has") {
  if (cuda_device_count() == 0) return;
  release_cached_gpu_memory();
  const PlannedModel m;
  const auto free_bytes = [] { return cuda::memory_left(0).free; };
  GpuPlan plan(m.graph, first_gpu);
  int64_t parameters = 0;
  for (const Graph::Value& value : m.graph.values)
    if (value.constant.defined()) parameters += value.constant.numel();
  CHECK(plan.memory().weights >= 4 * parameters);
  CHECK(plan.memory().batches == 0);
  const Tensor images = m.images(4, 1), logits = Tensor::empty({4, m.config.classes});
  plan.run(images, logits);
  const int64_t input = plan.memory().batches;
  CHECK(input >= static_cast<int64_t>(sizeof(float)) * images.numel());
  plan.run(images, logits);
  const GpuPlan::Memory recorded = plan.memory();
  CHECK(recorded.batches > input);
  const auto left = free_bytes();
  reset_peak_memory();
  const size_t in_use = memory_stats().in_use;
  const auto allocated_by = [](auto work) {
    const int64_t before = allocations();
    for (int i = 0; i < 3; ++i) work();
    return allocations() - before;
  };
  const int64_t allocated = allocated_by([&] { plan.run(images, logits); });
  CHECK(free_bytes() == left);
  CHECK(memory_stats().peak == in_use);
  CHECK(plan.memory().batches == recorded.batches);
  // An emulated GPU takes from the heap for each launch; nothing is added to that.
  const NoGradGuard off;
  const Graph there = m.on_gpu();
  const Tensor input_there = images.to(first_gpu);
  Tensor output_there;
  const LaunchGraph bare(first_gpu, [&] { output_there = replay(there, input_there); });
  bare.launch("test");
  CHECK(allocated == allocated_by([&] { bare.launch("test"); }));
  // The recording keeps what it says when all else goes back.
  const auto before = free_bytes();
  release_cached_gpu_memory();
  CHECK(free_bytes() >= before);
  CHECK(plan(images).to_vector() == logits.to_vector());
}

TEST_CASE("a plan for a GPU keeps the recordings of the sizes that came last") {
  if (cuda_device_count() == 0) return;
  const Tensor weight = random_tensor({3, 5}, 1, DType::f32);
  const Graph graph =
      capture([&](const Tensor& x) { return relu(linear(x, weight)); }, {5}, {{"weight", weight}});
  GpuPlan plan(graph, first_gpu);
  const auto run = [&](int64_t batch) { plan(random_tensor({batch, 5}, 1, DType::f32)); };
  const auto kept = static_cast<int64_t>(GpuPlan::kept_sizes);
  for (int round = 0; round < 2; ++round)
    for (int64_t batch = 1; batch <= kept; ++batch) run(batch);
  CHECK(plan.launches() == kept);
  run(kept + 1);  // takes the place of size 1, and is not recorded yet
  CHECK(plan.launches() == kept);
  run(2);
  CHECK(plan.launches() == kept + 1);
  run(1);  // new again, for size 3
  CHECK(plan.launches() == kept + 1);
  run(3);
  CHECK(plan.launches() == kept + 1);
}

TEST_CASE("a plan for a GPU sees what becomes of weights that lie there, and not of others") {
  if (cuda_device_count() == 0) return;
  const PlannedModel here, there(first_gpu);
  const Tensor images = here.images(2, 1);
  GpuPlan copied(here.graph, first_gpu), shared(there.graph, first_gpu);
  CHECK(shared.memory().weights == 0);
  const std::vector<double> before = copied(images).to_vector();
  CHECK(copied(images).to_vector() == before);
  for (int i = 0; i < 2; ++i) CHECK(shared(images).to_vector() == before);
  for (const PlannedModel* m : {&here, &there})
    for (const auto& [name, weight] : m->model->named_parameters())
      if (name == "head.bias") weight.fill_(3);
  CHECK(copied(images).to_vector() == before);
  CHECK(shared(images).to_vector() == there.one_by_one(images, Precision::f32));
  CHECK(shared(images).to_vector() != before);
  CHECK(shared.launches() == 3);
}

TEST_CASE("an evaluation on a GPU takes one launch a batch") {
  if (cuda_device_count() == 0) return;
  ViTConfig config = tiny_run(1).model;
  config.image_size = 4;
  const Tensor weight = random_tensor({config.classes, 16}, 1, DType::f32);
  const Graph graph = capture(
      [&](const Tensor& x) {
        return linear(reshape(x, {x.size(0), 16}), weight);
      },
      {4, 4, 1}, {{"weight", weight}});
  const ImageDataset images = shades(3 * 512 + 5, config, 1);
  Predictor predictor(graph, {}, first_gpu);
  const Tensor logits = logits_of(predictor, config, images);
  CHECK(predictor.gpu_plan()->launches() == 2);  // the second and the third of 512
  Predictor one_by_one(graph, {}, first_gpu, {.launch_graph = false});
  CHECK(logits.to_vector() == logits_of(one_by_one, config, images).to_vector());
  CHECK(evaluate(predictor, config, images).correct == score(logits, images.labels).correct);
}

TEST_CASE("what a plan for a GPU cannot take is refused by name, and it can be used on") {
  if (cuda_device_count() == 0) return;
  const PlannedModel m;
  GpuPlan plan(m.graph, first_gpu);
  const Tensor images = m.images(2, 1), logits = Tensor::empty({2, m.config.classes});
  plan.run(images, logits);
  const auto refused = [&](const Tensor& input, const Tensor& output) {
    return refusal_of([&] { plan.run(input, output); });
  };
  CHECK(contains(refused(m.images(3, 1), logits), "GpuPlan::run: output"));
  CHECK(contains(refused(Tensor::zeros({2, 3, 3, 1}), logits), "GpuPlan::run: input"));
  CHECK(contains(refused(images.to(first_gpu), logits), "on the CPU"));
  CHECK(contains(refused(images, logits.to(first_gpu)), "on the CPU"));
  CHECK(contains(refusal_of([&] { plan.run_there(images); }), "f32 on cuda:0"));
  CHECK(contains(refused(Tensor::zeros(images.shape(), DType::f64), logits), "f32"));
  CHECK(contains(refusal_of([&] { plan(Tensor()); }), "input"));
  CHECK(contains(refusal_of([&] { GpuPlan(m.graph, Device::cpu()); }), "compile()"));
  CHECK_THROWS_AS(GpuPlan(m.graph, Device::cuda(99)), Error);
  CHECK(plan(Tensor::zeros(m.config.batch_shape(0))).numel() == 0);
  plan.run(images, logits);
  CHECK(logits.to_vector() == m.one_by_one(images, Precision::f32));
}

}  // namespace espalier::test
