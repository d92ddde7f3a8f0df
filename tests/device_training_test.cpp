// Whole trainings on a GPU against the same on the CPU, and how they get their batches.
#include "tests/device_training.h"

#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"
#include "engine/ops/view.h"
#include "nn/data/batch_feed.h"
#include "nn/train_step.h"

namespace espalier::test {
namespace {

void check_courses(const TrainConfig& config, double terms) {
  const Course exact = course(config, Device::cpu());
  const Course nudged = course(config, Device::cpu(), epsilon);
  const Course found = course(config, Device::cuda());
  const std::vector<double> bounds = bounds_of(exact, nudged, terms);
  REQUIRE(found.losses.size() == exact.losses.size());
  CHECK(static_cast<int64_t>(found.losses.size()) == config.max_steps);
  for (size_t i = 0; i < bounds.size(); ++i) {
    INFO("step ", i + 1, ": ", found.losses[i], " on the GPU, ", exact.losses[i],
         " on the CPU, bound ", bounds[i]);
    CHECK(std::abs(found.losses[i] - exact.losses[i]) <= bounds[i]);
  }
  CHECK(std::abs(found.validation_loss - exact.validation_loss) <= bounds.back());
}

}  // namespace

TEST_CASE("vit-tiny trains on a GPU as it does on the CPU") {
  if (cuda_device_count() == 0) return;
  const TrainConfig config = short_run("vit-tiny", 20);
  // The weight's gradient of the first convolution sums over the pixels of a chunk.
  check_courses(config, 4 * 28 * 28);
}

TEST_CASE("patches, a class token and momentum train on a GPU as they do on the CPU") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = short_run("vit-peer", 3);
  config.optimizer = "sgd";
  config.model.width = 32, config.model.mlp_hidden = 40, config.model.depth = 2;
  config.augmentation.mixup = 0.5;
  check_courses(config, 4 * 28 * 28);
}

TEST_CASE("orthogonal steps are taken on a GPU as they are on the CPU") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = tiny_run(3);
  config.optimizer = "muon";
  check_courses(config, 4 * 8 * 8);
}

TEST_CASE("a teacher on a GPU says what it says on the CPU") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = tiny_run(3);
  config.distillation = 0.9;
  check_courses(config, 4 * 8 * 8);
}

TEST_CASE("a run that a GPU began goes on on the CPU, and the other way round") {
  if (cuda_device_count() == 0) return;
  const TrainConfig config = tiny_run(4);
  const ImageDataset train = shades(32, config.model, 1), none = shades(0, config.model, 2);
  for (const Device first : {Device::cuda(), Device::cpu()}) {
    const TemporaryFolder folder;
    std::filesystem::create_directories(folder.file("checkpoints"));
    const Device second = first == Device::cpu() ? Device::cuda() : Device::cpu();
    Trainer begun(config, train, none, folder.path(), on(first));
    CHECK(!begun.run({.interrupted = [&] { return begun.step() == 2; }}));
    Trainer taken_up(config, train, none, folder.path(), on(second));
    taken_up.resume();
    CHECK(taken_up.step() == 2);
    CHECK(taken_up.run());
    CHECK(taken_up.step() == 4);
    CHECK(taken_up.trained().named_parameters()[0].second.device() == second);
  }
}

TEST_CASE("gradients of one tensor add up on a GPU in whatever order their elements lie") {
  if (cuda_device_count() == 0) return;
  Generator generator(3);
  const Tensor x = normal({3, 4}, generator), a = normal({3, 4}, generator),
               b = normal({4, 3}, generator);
  std::vector<std::vector<double>> gradients;
  for (const Device device : {Device::cpu(), Device::cuda()}) {
    const Tensor leaf = x.to(device).detach().set_requires_grad();
    const Tensor used = mul(leaf, 2);
    // Which gives `used` a gradient with the strides of a transposed one, last and first.
    const Tensor turned = sum(mul(transpose(used, 0, 1), b.to(device)));
    backward(add(turned,
                 add(sum(mul(used, a.to(device))), sum(mul(transpose(used, 0, 1), b.to(device))))));
    gradients.push_back(leaf.grad().to_vector());
  }
  CHECK(gradients[0] == gradients[1]);  // no sum has a rounding of its own
}

TEST_CASE("batches that are sent to a GPU ahead are those of the loader") {
  if (cuda_device_count() == 0) return;
  const ImageDataset dataset = shades(83, named_config("vit-tiny"), 1);
  LoaderOptions options{.batch_size = 8, .seed = 3};
  for (const double mixup : {0.0, 0.5}) {
    options.augmentation.mixup = mixup;
    options.device = Device::cpu();
    DataLoader loader(dataset, options);
    options.device = Device::cuda();
    BatchFeed feed(dataset, options);
    for (const int64_t first : {0, 3}) {
      feed.start(0);
      feed.send_ahead();  // which the next start drops
      std::vector<Batch> sent;
      feed.start(1, first);
      while (const auto batch = feed.next()) {
        sent.push_back(batch->there);
        if (sent.size() % 2) feed.send_ahead();
      }
      CHECK(static_cast<int64_t>(sent.size()) == feed.batches() - first);
      loader.start(1, first);
      for (const Batch& batch : sent) {
        const std::optional<Batch> expected = loader.next();
        REQUIRE(expected.has_value());
        CHECK(batch.images.device() == Device::cuda());
        CHECK(batch.images.to_vector() == expected->images.to_vector());
        CHECK(batch.targets.to_vector() == expected->targets.to_vector());
      }
    }
    feed.start(0);
    feed.send_ahead();  // and leave
  }
}

TEST_CASE("what there is to do meanwhile is done once a batch, while a GPU is at work") {
  for (const Device device : {Device::cpu(), Device::cuda()}) {
    if (device.on_gpu() && cuda_device_count() == 0) return;
    const Tensor weight = Tensor::full({3}, 1).to(device);
    weight.set_requires_grad().set_arena_offset(0);
    int64_t chunks = 0, calls = 0;
    accumulate_gradients(10, 4, 1, Tensor::zeros({3}).to(device),
                         [&](int64_t, int64_t) {
                           // On the CPU several threads are here at once.
                           if (device.on_gpu()) ++chunks;
                           return mean(mul(weight, weight));
                         },
                         {.meanwhile = [&] {
                           ++calls;
                           CHECK(chunks == 3);  // all under way
                         }});
    CHECK(calls == (device.on_gpu() ? 1 : 0));
  }
}

}  // namespace espalier::test
