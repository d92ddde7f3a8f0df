#include "compress/provenance.h"

#include <doctest/doctest.h>

namespace espalier::test {

TEST_CASE("how a model was made is told in words") {
  CHECK(provenance("f32", {}) == "fp32 weights");
  CHECK(provenance_in_short("f32", {{"espalier.pruned", "0.300000 of flops by taylor"},
                                    {"espalier.recover_epochs", "2"}}) ==
        "fp32 weights, 30 % of flops pruned by taylor");
  // Of a training without validation images.
  CHECK(provenance("f32", {{"espalier.epoch", "4"}}) == "fp32 weights; epoch 4");
  CHECK(provenance_in_short("f16", {}) == "weights rounded to f16");
  CHECK(provenance("bf16", {{"espalier.checksum", "1"}, {"other", "x"}}) ==
        "weights rounded to bf16");
  CHECK(provenance("int8", {{"espalier.pruned", "0.500000 of parameters by l2"},
                            {"espalier.recover_epochs", "2"},
                            {"espalier.calibration_images", "512"},
                            {"espalier.observer", "mse"},
                            {"espalier.equalize", "0.5"},
                            {"espalier.bias_correction", "true"},
                            {"espalier.qat_epochs", "1"},
                            {"espalier.epoch", "1"},
                            {"espalier.validation_accuracy", "0.853400"}}) ==
        "8-bit whole numbers up to the head; 50 % of parameters pruned by l2; then trained for 2 "
        "epochs to recover; ranges of activations by mse from 512 training images; channels evened "
        "out before (alpha 0.5); the mean error of each layer taken off its bias; trained for 1 "
        "epoch on the integer kernels that run it; 85.34 % on the images held out to choose the "
        "best epoch (epoch 1)");
}

TEST_CASE("notes without words of their own are told as they stand, configurations are not") {
  for (const char* words : {"50 % of parameters pruned by l2", "2:4 zeros by magnitude", "by hand"})
    CHECK(provenance("f32", {{"espalier.pruned", words}}) == std::string("fp32 weights; ") + words);
  CHECK(provenance("int4", {{"espalier.group", "32"}, {"espalier.plan", std::string(81, 'x')}}) ==
        "int4; group 32");
}

}  // namespace espalier::test
