// What a learner keeps of what it has seen: an arena of records of one size, within a budget of
// bytes in which everything that a record holds counts.
#pragma once

#include <string>
#include <vector>

#include "cl/memory/coding.h"
#include "engine/tensor.h"

namespace espalier {

// What one record holds.
struct RecordLayout {
  Shape item{};  // of one image [H, W, C], or of one latent, such as [T, D]
  SampleCoding coding = SampleCoding::pixels_u8;
  int64_t logits = 0;  // f32 values that the model gave for it, kept beside it
  bool score = false;  // whether an f32 of the selection is kept beside it
  bool text = false;   // whether the number of a text, a u16, is kept beside it
  // Of all of it: the item, the label (u16), the task (u16), the logits, the score and the text.
  int64_t bytes() const;
  friend bool operator==(const RecordLayout&, const RecordLayout&) = default;
};

// Records fill slots 0, 1, ... in turn; then a slot is written again. Which one is the business of
// cl/memory/selection.h. Writing and reading a record take constant time.
class ReplayMemory {
 public:
  // `capacity` records. Argument errors: less than 1, a layout without values.
  ReplayMemory(const RecordLayout& layout, int64_t capacity);
  // As many as fit into `bytes`; an argument error, that says how much one record takes, where none
  // does.
  static int64_t capacity_for(const RecordLayout& layout, int64_t bytes);

  const RecordLayout& layout() const noexcept { return layout_; }
  int64_t size() const noexcept { return size_; }
  int64_t capacity() const noexcept { return records_.size(0); }
  int64_t bytes() const noexcept { return records_.numel(); }

  // What is written: the item's pixels or, where latents are kept, its values; the logits
  // [layout().logits] and the score where there are any.
  struct Record {
    const uint8_t* pixels = nullptr;
    int64_t label = 0, task = 0;
    const float* logits = nullptr;
    const float* latent = nullptr;
    float score = 0;
    int64_t text = 0;
  };
  // `slot` is at most size(): the next one grows the memory by a record. An argument error
  // otherwise, and where a label, task or text passes 65535 or what the layout keeps is not given.
  void write(int64_t slot, const Record& record);
  // The same bytes as another memory, of the same layout, holds, in the next slot.
  void append(const ReplayMemory& from, int64_t slot);

  int64_t label(int64_t slot) const;
  int64_t task(int64_t slot) const;
  // The item into `pixels` or `values`, layout().item.numel() of them. An argument error where the
  // other kind is kept.
  void read_pixels(int64_t slot, uint8_t* pixels) const;
  void read_latent(int64_t slot, float* values) const;
  void read_logits(int64_t slot, float* logits) const;
  // Argument errors without one.
  float score(int64_t slot) const;
  void set_score(int64_t slot, float score);
  int64_t text(int64_t slot) const;

  // All of it, for a checkpoint; load_state_dict() refuses what another layout or capacity made.
  NamedTensors state_dict() const;
  void load_state_dict(const NamedTensors& state);
  // An argument error where a record is of a class or a task that there is not.
  void check(int64_t classes, int64_t tasks) const;

 private:
  const uint8_t* at(int64_t slot) const;  // an argument error past the last record
  void require_latent(bool wanted) const;
  uint8_t* next(int64_t slot);  // where a record may be written; an argument error elsewhere
  const uint8_t* score_at(int64_t slot) const;

  const RecordLayout layout_;
  Tensor records_;  // u8 [capacity, layout.bytes()]
  int64_t size_ = 0;
};

}  // namespace espalier
