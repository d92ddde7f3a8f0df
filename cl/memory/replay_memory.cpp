#include "cl/memory/replay_memory.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/error.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

constexpr int64_t most = std::numeric_limits<uint16_t>::max();

int64_t bytes_of_item(const RecordLayout& layout) {
  return coded_bytes(layout.coding, layout.item.numel());
}

// Where they start in a record.
int64_t logits_offset(const RecordLayout& layout) { return bytes_of_item(layout) + 4; }
int64_t score_offset(const RecordLayout& layout) {
  return logits_offset(layout) + layout.logits * 4;
}
int64_t text_offset(const RecordLayout& layout) {
  return score_offset(layout) + (layout.score ? 4 : 0);
}

void put_u16(uint8_t* to, int64_t value) {
  const auto small = static_cast<uint16_t>(value);
  std::memcpy(to, &small, sizeof small);
}

int64_t get_u16(const uint8_t* from) {
  uint16_t small;
  std::memcpy(&small, from, sizeof small);
  return small;
}

void check_given(const RecordLayout& layout, const ReplayMemory::Record& record) {
  const auto absent = [](const char* what) {
    argument_error("ReplayMemory::write", "record", std::string("without ") + what,
                   "all that the layout keeps", "");
  };
  if (is_latent(layout.coding) && !record.latent) absent("a latent");
  if (!is_latent(layout.coding) && !record.pixels) absent("pixels");
  if (layout.logits && !record.logits) absent("logits");
  const auto small = [](int64_t number) { return number >= 0 && number <= most; };
  if (!small(record.label) || !small(record.task) || !small(record.text))
    argument_error("ReplayMemory::write", "record",
                   "label " + std::to_string(record.label) + " of task " +
                       std::to_string(record.task) + " with text " + std::to_string(record.text),
                   "0 to 65535", "");
}

}  // namespace

int64_t RecordLayout::bytes() const { return text_offset(*this) + (text ? 2 : 0); }

ReplayMemory::ReplayMemory(const RecordLayout& layout, int64_t capacity) : layout_(layout) {
  if (layout.item.numel() < 1 || layout.logits < 0)
    argument_error("ReplayMemory", "layout", "items of shape " + layout.item.str(),
                   "at least one value", "");
  if (capacity < 1)
    argument_error("ReplayMemory", "capacity", std::to_string(capacity), "at least 1", "");
  records_ = Tensor::zeros({capacity, layout.bytes()}, DType::u8);
}

int64_t ReplayMemory::capacity_for(const RecordLayout& layout, int64_t bytes) {
  if (bytes >= layout.bytes()) return bytes / layout.bytes();
  argument_error("ReplayMemory", "bytes", std::to_string(bytes),
                 "at least the " + std::to_string(layout.bytes()) + " that one sample takes",
                 "allow more memory, or keep less of a sample");
}

uint8_t* ReplayMemory::next(int64_t slot) {
  if (slot >= 0 && slot <= size_ && slot < capacity())
    return records_.data<uint8_t>() + slot * layout_.bytes();
  argument_error("ReplayMemory::write", "slot", std::to_string(slot),
                 "at most " + std::to_string(std::min(size_, capacity() - 1)), "");
}

void ReplayMemory::write(int64_t slot, const Record& record) {
  uint8_t* to = next(slot);
  check_given(layout_, record);
  if (is_latent(layout_.coding))
    encode_latent(layout_.coding, record.latent, layout_.item.numel(), to);
  else
    encode_pixels(layout_.coding, record.pixels, layout_.item.numel(), to);
  put_u16(to + bytes_of_item(layout_), record.label);
  put_u16(to + bytes_of_item(layout_) + 2, record.task);
  if (layout_.logits)
    std::memcpy(to + logits_offset(layout_), record.logits,
                static_cast<size_t>(layout_.logits) * 4);
  if (layout_.score) std::memcpy(to + score_offset(layout_), &record.score, 4);
  if (layout_.text) put_u16(to + text_offset(layout_), record.text);
  if (slot == size_) ++size_;
}

void ReplayMemory::append(const ReplayMemory& from, int64_t slot) {
  const uint8_t* record = from.at(slot);
  if (!(from.layout_ == layout_))
    argument_error("ReplayMemory::append", "from", "of another layout", "the same", "");
  std::memcpy(next(size_), record, static_cast<size_t>(layout_.bytes()));
  ++size_;
}

const uint8_t* ReplayMemory::at(int64_t slot) const {
  if (slot >= 0 && slot < size_) return records_.data<uint8_t>() + slot * layout_.bytes();
  argument_error("ReplayMemory", "slot", std::to_string(slot),
                 "less than the " + std::to_string(size_) + " that are filled", "");
}

int64_t ReplayMemory::label(int64_t slot) const {
  return get_u16(at(slot) + bytes_of_item(layout_));
}
int64_t ReplayMemory::task(int64_t slot) const {
  return get_u16(at(slot) + bytes_of_item(layout_) + 2);
}

void ReplayMemory::require_latent(bool wanted) const {
  if (is_latent(layout_.coding) == wanted) return;
  argument_error("ReplayMemory", "item", wanted ? "pixels" : "a latent",
                 wanted ? "a latent" : "pixels", "read what the layout keeps");
}

void ReplayMemory::read_pixels(int64_t slot, uint8_t* pixels) const {
  require_latent(false);
  decode_pixels(layout_.coding, at(slot), layout_.item.numel(), pixels);
}

void ReplayMemory::read_latent(int64_t slot, float* values) const {
  require_latent(true);
  decode_latent(layout_.coding, at(slot), layout_.item.numel(), values);
}

void ReplayMemory::read_logits(int64_t slot, float* logits) const {
  std::memcpy(logits, at(slot) + logits_offset(layout_), static_cast<size_t>(layout_.logits) * 4);
}

const uint8_t* ReplayMemory::score_at(int64_t slot) const {
  if (layout_.score) return at(slot) + score_offset(layout_);
  argument_error("ReplayMemory", "score", "not kept", "a layout with one", "");
}

float ReplayMemory::score(int64_t slot) const {
  float score;
  std::memcpy(&score, score_at(slot), 4);
  return score;
}

void ReplayMemory::set_score(int64_t slot, float score) {
  const int64_t place = score_at(slot) - records_.data<uint8_t>();
  std::memcpy(records_.data<uint8_t>() + place, &score, 4);
}

int64_t ReplayMemory::text(int64_t slot) const {
  if (!layout_.text) argument_error("ReplayMemory", "text", "not kept", "a layout with one", "");
  return get_u16(at(slot) + text_offset(layout_));
}

NamedTensors ReplayMemory::state_dict() const {
  return {{"records", records_}, {"size", Tensor::of<int64_t>({size_}, {1})}};
}

void ReplayMemory::load_state_dict(const NamedTensors& state) {
  const Tensor size = Tensor::zeros({1}, DType::s64);
  const Tensor records = Tensor::empty(records_.shape(), DType::u8);
  copy_named("ReplayMemory", {{"records", records}, {"size", size}}, state);
  const int64_t filled = size.data<int64_t>()[0];
  if (filled < 0 || filled > capacity())
    argument_error("ReplayMemory", "size", std::to_string(filled),
                   "0 to " + std::to_string(capacity()), "");
  records_.copy_(records);
  size_ = filled;
}

void ReplayMemory::check(int64_t classes, int64_t tasks) const {
  for (int64_t slot = 0; slot < size_; ++slot)
    if (label(slot) >= classes || task(slot) >= tasks)
      argument_error("ReplayMemory", "records",
                     "class " + std::to_string(label(slot)) + " of task " +
                         std::to_string(task(slot)) + " in slot " + std::to_string(slot),
                     "less than " + std::to_string(classes) + " and " + std::to_string(tasks), "");
}

}  // namespace espalier
