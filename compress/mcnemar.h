// Whether two models differ in accuracy by more than chance, from their answers to the same images.
#pragma once

#include <cstdint>
#include <span>

namespace espalier {

struct PairedTest {
  int64_t samples = 0;
  int64_t lost = 0, won = 0;  // samples that the first alone, the second alone, has right
  double p = 1;  // of so uneven a split or a worse one, were each side as likely (two-sided)

  bool significant() const { return p < 0.05; }
  // The second's accuracy less the first's, and half of its 95 % interval (Wald's, for pairs).
  double difference() const;
  double half_interval() const;
};

// McNemar's test (1947) in its exact, binomial form. One entry a sample, not 0 where a model is
// right; an argument error where the lengths differ.
PairedTest mcnemar(std::span<const uint8_t> first, std::span<const uint8_t> second);

}  // namespace espalier
