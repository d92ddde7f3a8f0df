// Replay memory: what a record holds comes back, and every byte of it counts.
#include "cl/memory/replay_memory.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "engine/random.h"
#include "tests/refusal.h"

using namespace espalier;
using namespace espalier::test;

namespace {

std::vector<uint8_t> all_pixels() {
  std::vector<uint8_t> pixels(256);
  std::iota(pixels.begin(), pixels.end(), uint8_t{0});
  return pixels;
}

std::vector<float> some_latent(int64_t count, double deviation, uint64_t seed) {
  Generator generator(seed);
  const Tensor values = normal({count}, generator, deviation);
  return {values.data<float>(), values.data<float>() + count};
}

std::vector<float> through(SampleCoding coding, const std::vector<float>& latent) {
  ReplayMemory memory({.item = {static_cast<int64_t>(latent.size())}, .coding = coding}, 1);
  memory.write(0, {.latent = latent.data()});
  std::vector<float> back(latent.size());
  memory.read_latent(0, back.data());
  return back;
}

}  // namespace

TEST_CASE("a record counts every byte it holds") {
  const Shape image{28, 28, 1}, tokens{5, 3};
  CHECK(RecordLayout{.item = image}.bytes() == 784 + 2 + 2);
  CHECK(RecordLayout{.item = image, .coding = SampleCoding::pixels_f32}.bytes() == 784 * 4 + 4);
  CHECK(RecordLayout{.item = image, .logits = 10}.bytes() == 784 + 4 + 40);
  CHECK(RecordLayout{.item = image, .logits = 10, .score = true}.bytes() == 784 + 4 + 40 + 4);
  CHECK(RecordLayout{.item = image, .text = true}.bytes() == 784 + 4 + 2);
  CHECK(RecordLayout{.item = image, .score = true, .text = true}.bytes() == 784 + 4 + 4 + 2);
  CHECK(RecordLayout{.item = tokens, .coding = SampleCoding::latent_f32}.bytes() == 60 + 4);
  CHECK(RecordLayout{.item = tokens, .coding = SampleCoding::latent_s8}.bytes() == 15 + 4 + 4);
  CHECK(RecordLayout{.item = tokens, .coding = SampleCoding::latent_s4}.bytes() == 8 + 4 + 4);
  const RecordLayout layout{.item = image};
  CHECK(ReplayMemory::capacity_for(layout, 788 * 3 + 787) == 3);
  CHECK(ReplayMemory(layout, 3).bytes() == 788 * 3);
}

TEST_CASE("a record gives back the number of its text, where it has one") {
  const uint8_t pixels[4] = {1, 2, 3, 4};
  ReplayMemory memory({.item = {2, 2, 1}, .score = true, .text = true}, 2);
  memory.write(0, {.pixels = pixels, .label = 7, .score = 0.5f, .text = 65535});
  memory.write(1, {.pixels = pixels, .label = 8, .text = 3});
  memory.set_score(1, 2);
  CHECK(memory.text(0) == 65535);
  CHECK(memory.text(1) == 3);
  CHECK(memory.score(0) == 0.5f);
  ReplayMemory other(memory.layout(), 2);
  other.append(memory, 1);
  CHECK(other.text(0) == 3);
  CHECK(contains(refusal_of([&] { memory.write(0, {.pixels = pixels, .text = 65536}); }),
                 "text 65536"));
  const ReplayMemory without({.item = {2, 2, 1}}, 1);
  CHECK(contains(refusal_of([&] { without.text(0); }), "text is not kept"));
}

TEST_CASE("pixels come back as they were from either coding") {
  const std::vector<uint8_t> pixels = all_pixels();
  const float logits[] = {1.5f, -2, 1e-30f};
  for (const SampleCoding coding : {SampleCoding::pixels_u8, SampleCoding::pixels_f32}) {
    ReplayMemory memory({.item = {16, 16, 1}, .coding = coding, .logits = 3, .score = true}, 2);
    memory.write(0, {pixels.data(), 3, 1, logits, nullptr, 0.5f});
    memory.write(1, {pixels.data(), 65535, 65535, logits});
    std::vector<uint8_t> back(256);
    float kept[3];
    for (const int64_t slot : {0, 1}) {
      memory.read_pixels(slot, back.data());
      CHECK(back == pixels);
      memory.read_logits(slot, kept);
      CHECK(std::equal(kept, kept + 3, logits));
    }
    CHECK(memory.label(0) == 3);
    CHECK(memory.task(0) == 1);
    CHECK(memory.label(1) == 65535);
    CHECK(memory.task(1) == 65535);
    CHECK(memory.score(0) == 0.5f);
    memory.set_score(0, -3);
    CHECK(memory.score(0) == -3);
    CHECK(memory.score(1) == 0);
    CHECK(memory.label(1) == 65535);
  }
}

TEST_CASE("latents in steps come back within half a step") {
  for (const int64_t count : {1, 2, 15, 64, 67})
    for (const double deviation : {1e-20, 1.0, 1e20}) {
      const std::vector<float> latent = some_latent(count, deviation, static_cast<uint64_t>(count));
      CHECK(through(SampleCoding::latent_f32, latent) == latent);
      double largest = 0;
      for (const float value : latent) largest = std::max(largest, std::abs(double{value}));
      for (const auto& [coding, steps] :
           {std::pair{SampleCoding::latent_s8, 127}, std::pair{SampleCoding::latent_s4, 7}}) {
        const std::vector<float> back = through(coding, latent);
        // Half a step, and the roundings of the step, of its inverse and of two products of up to
        // `steps` steps.
        const double step = largest / steps;
        const double bound = step / 2 + 4 * steps * step * std::numeric_limits<float>::epsilon();
        for (size_t i = 0; i < latent.size(); ++i)
          CHECK(std::abs(double{back[i]} - double{latent[i]}) <= bound);
      }
    }
  const std::vector<float> ends{-7, 7, 0, 3.5f, -6};
  CHECK(through(SampleCoding::latent_s4, ends) == std::vector<float>{-7, 7, 0, 4, -6});
  for (const SampleCoding coding : {SampleCoding::latent_s8, SampleCoding::latent_s4})
    for (const float tiny : {0.0f, 1e-40f})
      CHECK(through(coding, {tiny, -tiny, tiny}) == std::vector<float>{0, 0, 0});
}

TEST_CASE("a memory goes through its state and into another") {
  const RecordLayout layout{.item = {2}, .coding = SampleCoding::latent_s4, .score = true};
  ReplayMemory memory(layout, 3);
  const float first[] = {1, -1}, second[] = {4, 8};
  memory.write(0, {.label = 1, .latent = first, .score = 5});
  memory.write(1, {.label = 2, .latent = second, .score = 6});
  ReplayMemory same(layout, 3);
  same.load_state_dict(memory.state_dict());
  CHECK(same.size() == 2);
  ReplayMemory turned(layout, 3);
  turned.append(same, 1);
  turned.append(same, 0);
  float back[2];
  turned.read_latent(0, back);
  CHECK(back[1] == 8);
  CHECK(turned.label(1) == 1);
  CHECK(turned.score(0) == 6);
  CHECK_THROWS_AS(ReplayMemory(layout, 2).load_state_dict(memory.state_dict()), Error);
  CHECK_THROWS_AS(ReplayMemory({.item = {2}}, 3).append(memory, 0), Error);
  NamedTensors state = same.state_dict();
  state[1].second = Tensor::of<int64_t>({4}, {1});
  CHECK(contains(refusal_of([&] { same.load_state_dict(state); }), "size is 4; expected 0 to 3"));
}

TEST_CASE("a memory refuses what it cannot hold") {
  const RecordLayout image{.item = {2, 2, 1}};
  CHECK(refusal_of([&] { ReplayMemory::capacity_for(image, 7); }) ==
        "ReplayMemory: bytes is 7; expected at least the 8 that one sample takes; allow more "
        "memory, or keep less of a sample");
  CHECK_THROWS_AS(ReplayMemory(image, 0), Error);
  CHECK_THROWS_AS(ReplayMemory({.item = {0}}, 1), Error);
  ReplayMemory memory(image, 2);
  const uint8_t pixels[4] = {};
  const float latent[] = {1, 2, 3, std::numeric_limits<float>::quiet_NaN()};
  CHECK_THROWS_AS(memory.write(1, {pixels}), Error);
  CHECK_THROWS_AS(memory.write(-1, {pixels}), Error);
  CHECK_THROWS_AS(memory.write(0, {pixels, 65536}), Error);
  CHECK_THROWS_AS(memory.write(0, {.latent = latent}), Error);
  CHECK_THROWS_AS(memory.label(0), Error);
  memory.write(0, {pixels});
  float values[4];
  CHECK_THROWS_AS(memory.read_latent(0, values), Error);
  CHECK_THROWS_AS(memory.score(0), Error);
  CHECK_THROWS_AS(memory.set_score(0, 1), Error);
  ReplayMemory latents({.item = {4}, .coding = SampleCoding::latent_s8}, 1);
  CHECK(contains(refusal_of([&] { latents.write(0, {.latent = latent}); }), "not finite at 3"));
  CHECK(latents.size() == 0);
  ReplayMemory kept({.item = {2, 2, 1}, .logits = 1}, 1);
  CHECK_THROWS_AS(kept.write(0, {pixels}), Error);
}
