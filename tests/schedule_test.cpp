#include "nn/optim/schedule.h"

#include <doctest/doctest.h>

#include "engine/error.h"

namespace espalier::test {

TEST_CASE("a cosine schedule warms up, falls by half at half time and stays at its floor") {
  const LrSchedule schedule = LrSchedule::cosine(1.0, 4, 104, 0.2);
  CHECK(schedule.at(0) == 0.25);
  CHECK(schedule.at(3) == 1.0);
  CHECK(schedule.at(4) == 1.0);
  CHECK(schedule.at(54) == doctest::Approx(0.6).epsilon(1e-15));
  CHECK(schedule.at(29) == doctest::Approx(0.2 + 0.4 * (1 + 0.70710678118654752)).epsilon(1e-15));
  CHECK(schedule.at(104) == 0.2);
  CHECK(schedule.at(1000) == 0.2);
  for (int64_t step = 4; step < 104; ++step) CHECK(schedule.at(step + 1) < schedule.at(step));
}

TEST_CASE("a constant schedule warms up and stays") {
  const LrSchedule schedule = LrSchedule::constant(0.5, 2);
  CHECK(schedule.at(0) == 0.25);
  CHECK(schedule.at(1) == 0.5);
  CHECK(schedule.at(100000) == 0.5);
  CHECK(LrSchedule::constant(0.5).at(0) == 0.5);
}

TEST_CASE("schedules refuse what they cannot follow") {
  CHECK_THROWS_AS(LrSchedule::constant(-1), Error);
  CHECK_THROWS_AS(LrSchedule::constant(1, -1), Error);
  CHECK_THROWS_AS(LrSchedule::cosine(1, 10, 10), Error);
  CHECK_THROWS_AS(LrSchedule::cosine(1, 0, 10, 2), Error);
}

}  // namespace espalier::test
