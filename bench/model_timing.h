// How long a model takes for a batch, against what this machine's arithmetic allows.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "bench/model_form.h"
#include "nn/vit.h"

namespace espalier::bench {

struct ModelTiming {
  std::string model, dtype;
  int64_t batch = 0, chunk = 0;  // the chunk is the plan's
  int threads = 0;
  // What one batch takes of each arithmetic, counted on the plan, and what these threads reached
  // of it in the same rounds, in operations a second.
  struct Part {
    DType arithmetic;
    double operations = 0, peak = 0;
  };
  std::vector<Part> parts;
  Summary plan, eager;  // seconds a batch: compiled, and operation by operation
  double speed_up = 0;  // the eager seconds over the plan's of the same rounds
  double over_f32 = 0;  // those of the plan in f32 over this plan's; 0 where none was timed
  // The largest difference between a logit of the plan and of its graph run operation by operation,
  // and what rounding allows: nothing in whole numbers.
  double difference = 0, tolerance = 0;

  bool verified() const { return difference <= tolerance; }
  double operations() const;
  // As if every operation ran at the peak of its arithmetic, one after the other: products of codes
  // at int8's; at fp32's what an integer model keeps in fp32, and its element-wise steps.
  double floor_seconds() const;
};

// A plan differs from its graph where it sums a residual inside a product of K terms, a chain of
// K + 2 roundings instead of the same in another order. Layer norms keep the stream's scale, so
// that the relative errors of the sums add up. So do those of the weights' rounding in each product
// that a logit passes, and in bf16 of what they are multiplied with, and that of the GELU between
// two products in bf16, a share of what it is taken of, once in each block. An integer model has
// its residuals, and all that plans fuse, in whole numbers, where nothing is rounded otherwise.
double tolerance_of(const ViTConfig& config, const ModelForm& form,
                    const std::vector<double>& logits);

// Times the forms of a model of `config` in turns. Sets the pool to `threads` and leaves it so.
// Random images. Times only those that are verified.
std::vector<ModelTiming> measure_model(const ViTConfig& config, std::span<const ModelForm> forms,
                                       int64_t batch, int threads, const MeasureOptions& options);

// A table's heading and one line of it, each with its newline.
std::string model_table_heading();
std::string model_table_line(const ModelTiming& timing);

}  // namespace espalier::bench
