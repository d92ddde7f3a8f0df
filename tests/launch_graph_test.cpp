// What is recorded once and launched again.
#include "engine/launch_graph.h"

#include <set>

#include "engine/device_memory.h"
#include "engine/device_scope.h"
#include "engine/ops/binary.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/dropout.h"
#include "engine/random.h"
#include "engine/staging.h"
#include "tests/device_test.h"
#include "tests/refusal.h"

namespace espalier::test::launch_graph_tests {
namespace {

constexpr Device gpu{Device::Kind::cuda, 0};

Tensor numbers(int64_t count, double first) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(first) + 3 * static_cast<float>(i));
  return Tensor::of(values, {count}).to(gpu);
}

const void* place(const Tensor& tensor) { return tensor.storage()->data(); }

}  // namespace

TEST_CASE("a launch graph does nothing while it is recorded, and all of it at each launch") {
  if (cuda_device_count() == 0) return;
  const Tensor x = numbers(1000, 1), sum = Tensor::zeros({1000}).to(gpu);
  const LaunchGraph graph(gpu, [&] {
    sum.copy_(add(sum, mul(x, 2)));  // kernels, a number for one, and a copy
  });
  CHECK(sum.to_vector() == std::vector<double>(1000, 0));
  graph.launch("test");
  graph.launch("test");
  CHECK(sum.to_vector() == mul(x, 4).to_vector());
  x.fill_(1);  // what it reads then
  sum.fill_(0);
  graph.launch("test");
  CHECK(sum.to_vector() == std::vector<double>(1000, 2));
}

TEST_CASE("bytes that a launch graph sets are set again") {
  if (cuda_device_count() == 0) return;
  const Tensor x = numbers(10, 1), y = numbers(10, 1);
  const LaunchGraph graph(gpu, [&] { x.fill_(0), y.fill_(5); });
  CHECK(x.to_vector() == numbers(10, 1).to_vector());
  for (int i = 0; i < 2; ++i) {
    graph.launch("test");
    CHECK(x.to_vector() == std::vector<double>(10, 0));
    CHECK(y.to_vector() == std::vector<double>(10, 5));
    x.copy_(y), y.fill_(1);
  }
}

TEST_CASE("memory of a launch graph is its own for as long as it lives") {
  if (cuda_device_count() == 0) return;
  release_cached_gpu_memory();
  const Tensor x = numbers(5000, 1), y = Tensor::zeros({5000}).to(gpu);
  { const Tensor warm = mul(add(x, x), x); }  // blocks for the cache
  std::set<const void*> own;
  Tensor kept;
  auto graph = std::make_unique<LaunchGraph>(gpu, [&] {
    const Tensor twice = add(x, x);
    kept = mul(twice, x);
    own = {place(twice), place(kept)};
    y.copy_(kept);
  });
  CHECK(own.size() == 2);
  const auto taken = [&] {
    int64_t found = 0;
    std::vector<Tensor> others;
    for (int i = 0; i < 8; ++i) {
      others.push_back(Tensor::empty({5000}, DType::f32, gpu));
      others.back().fill_(7);
      found += own.count(place(others.back())) > 0;
    }
    graph ? graph->launch("test") : void();
    for (const Tensor& other : others) CHECK(other.to_vector() == std::vector<double>(5000, 7));
    return found;
  };
  CHECK(taken() == 0);
  CHECK(y.to_vector() == mul(add(x, x), x).to_vector());
  kept = Tensor();  // also when a tensor that was made within is let go
  release_cached_gpu_memory();
  CHECK(taken() == 0);
  CHECK(y.to_vector() == mul(add(x, x), x).to_vector());
  graph.reset();
  CHECK(taken() == 2);  // then it is anyone's
}

TEST_CASE("within a launch graph blocks go round as they do without one") {
  if (cuda_device_count() == 0) return;
  const Tensor x = numbers(3000, 1), y = Tensor::zeros({3000}).to(gpu);
  std::set<const void*> places;
  const LaunchGraph graph(gpu, [&] {
    Tensor z = x;
    for (int i = 0; i < 20; ++i) {
      z = add(z, x);
      places.insert(place(z));
    }
    y.copy_(z);
  });
  CHECK(places.size() == 2);
  graph.launch("test");
  CHECK(y.to_vector() == mul(x, 21).to_vector());
}

TEST_CASE("what a launch graph cannot hold is refused, and the GPU can be used on") {
  if (cuda_device_count() == 0) return;
  const Tensor x = numbers(4, 1), here = Tensor::zeros({4});
  const Tensor staged = staging_tensor({4}, DType::f32, gpu);
  staged.fill_(2);
  struct Case {
    const char* what;
    std::function<void()> work;
  };
  const std::vector<Case> cases = {
      {"a copy from one device to another", [&] { x.to_vector(); }},
      {"a copy from one device to another", [&] { x.copy_(here); }},
      {"a wait for the GPU", [&] { synchronize(gpu); }},
      {"a copy from page-locked memory", [&] { sent_to(gpu, staged); }},
      {"a recording inside a recording", [&] { const LaunchGraph inner(gpu, [] {}); }},
  };
  for (const Case& c : cases) {
    INFO("case: ", std::string(c.what));
    const std::string message = refusal_of(
        [&] {
          const LaunchGraph graph(gpu, [&] {
            const Tensor y = add(x, x);
            c.work();
          });
        },
        ErrorKind::device);
    CHECK(contains(message, c.what));
    CHECK(!records_launches());
    CHECK(add(x, x).to_vector() == mul(x, 2).to_vector());
  }
  CHECK_THROWS_AS(LaunchGraph(Device::cpu(), [] {}), Error);
}

TEST_CASE("memory that the cache lacks is taken while a launch graph is recorded") {
  if (cuda_device_count() == 0) return;
  const Tensor x = numbers(70'001, 1), y = Tensor::zeros({70'001}).to(gpu);
  release_cached_gpu_memory();
  const LaunchGraph graph(gpu, [&] { y.copy_(add(x, x)); });
  graph.launch("test");
  CHECK(y.to_vector() == mul(x, 2).to_vector());
}

TEST_CASE("dropout in a launch graph draws by the seed that lies on the GPU") {
  if (cuda_device_count() == 0) return;
  const Tensor x = Tensor::full({9, 31}, 1).to(gpu), seed = Tensor::zeros({1}, DType::s64).to(gpu);
  const Tensor elements = Tensor::zeros({9, 31}).to(gpu), rows = Tensor::zeros({9, 31}).to(gpu);
  const auto drop = [&](Generator generator) {
    const GeneratorScope scope(generator);
    elements.copy_(dropout(x, 0.5, true));
    rows.copy_(drop_path(x, 0.5, true));
  };
  const auto* at = [&] {
    const DeviceScope there(gpu);
    return reinterpret_cast<const uint64_t*>(seed.data<int64_t>());
  }();
  const LaunchGraph graph(gpu, [&] { drop(Generator::of_seed_at(at, 3)); });
  for (const uint64_t value : {uint64_t{7}, uint64_t{8}, ~uint64_t{0} - 5}) {
    drop(Generator(value, 3));
    const auto expected = std::pair(elements.to_vector(), rows.to_vector());
    seed.copy_(Tensor::of<int64_t>({static_cast<int64_t>(value)}, {1}));
    graph.launch("test");
    CHECK(elements.to_vector() == expected.first);
    CHECK(rows.to_vector() == expected.second);
  }
  Generator there = Generator::of_seed_at(at, 3);
  CHECK_THROWS_AS(uniform({2}, there), Error);
}

TEST_CASE("class indices are checked, but not by an operation that is recorded") {
  if (cuda_device_count() == 0) return;
  const Tensor logits = Tensor::zeros({2, 3}).to(gpu), loss = Tensor::zeros({}).to(gpu);
  const Tensor targets = Tensor::of<int64_t>({0, 3}, {2}).to(gpu);
  CHECK(contains(refusal_of([&] { cross_entropy(logits, targets); }), "3 in row 1"));
  CHECK(contains(refusal_of([&] { check_class_indices("test", targets, 3); }), "3 in row 1"));
  const LaunchGraph graph(gpu, [&] { loss.copy_(cross_entropy(logits, targets)); });
  targets.copy_(Tensor::of<int64_t>({0, 2}, {2}));
  graph.launch("test");
  CHECK(loss.item() == cross_entropy(logits, targets).item());
}

}  // namespace espalier::test::launch_graph_tests
