// What a run of continual learning draws random numbers for: Learner::seed() takes one of these.
#pragma once

#include <cstdint>

namespace espalier {

enum LearnPurpose : uint64_t {
  initialising = 31,
  shuffling = 32,
  augmenting = 33,
  dropping = 34,
  drawing = 35,
  selecting = 36,
  holding_out = 37,
  adapting = 38,
  initialising_texts = 41,
  dealing_texts = 42,
  calibrating = 51,
};

// Steps that are not of the stream count from here, so that no random number serves twice.
constexpr int64_t beyond_the_stream = int64_t{1} << 40;

}  // namespace espalier
