// The rows of one step: the stream's new ones first, then each draw from memory, all of which go
// through the network together.
#pragma once

#include <vector>

#include "engine/tensor.h"

namespace espalier {

struct RowGroup {
  int64_t begin = 0, end = 0;
  int64_t rows() const { return end - begin; }
};

// All of it on the CPU, wherever the network lies.
struct StepBatch {
  // What enters the network at Learner::entry: images f32 [N, H, W, C], normalised, or what the
  // stages before it make of them.
  Tensor inputs;
  Tensor labels;  // s64 [N]
  Tensor kept;    // f32 [N, classes]: the logits in memory of replayed rows, else undefined
  std::vector<int64_t> tasks;    // of each row
  std::vector<RowGroup> groups;  // the first is of new rows
  std::vector<int64_t> samples;  // of each new row, its place in the task's training images
  Tensor logits;                 // f32 [N, classes]: what the step's forward pass gives
  std::vector<int64_t> slots{};  // of each row after the new ones, its place in memory
  std::vector<int64_t> texts{};  // of each row, its text's number; none where images come alone
  // Whether the loss is one of all rows: they then go through the network as one part, of group 0.
  bool together = false;
  int64_t rows() const { return labels.defined() ? labels.size(0) : 0; }
};

// Rows of one group that go through the network together.
struct BatchPart {
  const StepBatch& batch;
  size_t group;
  int64_t begin, end;  // rows of the batch
  Tensor logits;       // [end - begin, classes], on the tape
  Tensor features;     // [end - begin, F], on the tape: what the classifier made them of
  // Of the batch, where the logits are.
  Tensor inputs() const;
  Tensor labels() const;
  Tensor kept() const;
  std::vector<int64_t> texts() const;
};

}  // namespace espalier
