#include "engine/io/safetensors.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "engine/error.h"
#include "engine/io/crc32.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace espalier {
namespace {

constexpr size_t length_bytes = 8;
constexpr size_t max_header = size_t{100} << 20;  // the reference implementation's limit
constexpr size_t max_elements = size_t{1} << 48;  // keeps every product below 2^63
constexpr const char* checksum_key = "espalier.checksum";
constexpr const char* format_key = "espalier.format";  // present in every file of ours
constexpr std::string_view unset_checksum = "00000000";

constexpr struct {
  DType dtype;
  const char* name;
} dtype_names[] = {{DType::f32, "F32"},     {DType::f64, "F64"}, {DType::f16, "F16"},
                   {DType::bf16, "BF16"},   {DType::s8, "I8"},   {DType::u8, "U8"},
                   {DType::s16, "I16"},     {DType::s32, "I32"}, {DType::s64, "I64"},
                   {DType::boolean, "BOOL"}};

// One tensor as the header tells it, proven to lie in the file.
struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  size_t begin, end;  // bytes after the header
};

std::string hex(uint32_t value) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

size_t read_length(const MappedFile& file, const std::string& path) {
  if (file.size() < length_bytes) file_error(path, "too short for a safetensors file");
  uint64_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i)
    length |= std::to_integer<uint64_t>(file.data()[i]) << (8 * i);
  if (length > max_header || length > file.size() - length_bytes)
    file_error(path, "the header promises " + std::to_string(length) + " bytes, the file holds " +
                         std::to_string(file.size() - length_bytes) +
                         " (truncated, or no safetensors file)");
  return static_cast<size_t>(length);
}

// A size or offset: a JSON integer in [0, limit].
size_t bounded(const Json& value, size_t limit, const std::string& what, const std::string& path) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > limit)
    file_error(path, what + " is " + value.dump() + "; expected an integer from 0 to " +
                         std::to_string(limit));
  return static_cast<size_t>(value.get<uint64_t>());
}

DType read_dtype(const Json& value, const std::string& what, const std::string& path) {
  for (const auto& entry : dtype_names)
    if (value == entry.name) return entry.dtype;
  file_error(path, what + " has dtype " + value.dump() + ", which this library does not hold");
}

Entry read_entry(const std::string& name, const Json& value, size_t data_size,
                 const std::string& path) {
  const std::string what = "tensor '" + name + "'";
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
      !value.contains("shape") || !value.contains("data_offsets"))
    file_error(path, what + " lacks dtype, shape or data_offsets");
  Entry entry{name, read_dtype(value["dtype"], what, path), {}, 0, 0};
  const Json &shape = value["shape"], &offsets = value["data_offsets"];
  if (!shape.is_array() || shape.size() > Shape::max_rank)
    file_error(path, what + " has a shape that is no list of at most 8 sizes");
  if (!offsets.is_array() || offsets.size() != 2)
    file_error(path, what + " has data_offsets that are no pair");
  entry.begin = bounded(offsets[0], data_size, what + " start", path);
  entry.end = bounded(offsets[1], data_size, what + " end", path);
  size_t elements = 1;
  bool empty = false;
  for (const Json& dim : shape) {
    const size_t size = bounded(dim, size_t{1} << 40, what + " dimension", path);
    entry.shape.push_back(static_cast<int64_t>(size));
    empty |= size == 0;
    if (size && elements > max_elements / size)
      file_error(path, what + " promises too many elements");
    elements *= size ? size : 1;
  }
  const size_t bytes = empty ? 0 : elements * dtype_size(entry.dtype);
  if (entry.end < entry.begin || entry.end - entry.begin != bytes)
    file_error(path, what + " of shape " + entry.shape.str() + " does not fill its bytes [" +
                         std::to_string(entry.begin) + ", " + std::to_string(entry.end) + ")");
  return entry;
}

// Tensors must follow each other without gap or overlap and fill the file.
void check_layout(std::vector<Entry>& entries, size_t data_size, const std::string& path) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  size_t place = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != place)
      file_error(path, "tensor '" + entry.name + "' starts at byte " + std::to_string(entry.begin) +
                           "; expected " + std::to_string(place) + " (a gap or an overlap)");
    place = entry.end;
  }
  if (place != data_size)
    file_error(path,
               "tensors end at byte " + std::to_string(place) + " of " + std::to_string(data_size));
}

// The CRC-32 of the whole file with the checksum's own digits as zeros.
uint32_t file_checksum(std::span<const std::byte> file, size_t digits_at) {
  uint32_t sum = crc32(0, file.first(digits_at));
  sum = crc32(sum, std::as_bytes(std::span(unset_checksum)));
  return crc32(sum, file.subspan(digits_at + unset_checksum.size()));
}

void check_checksum(const MappedFile& file, size_t header, const TensorFile& contents,
                    const std::string& path) {
  const auto stored = contents.metadata.find(checksum_key);
  const bool ours = std::any_of(contents.metadata.begin(), contents.metadata.end(),
                                [](const auto& m) { return m.first.rfind("espalier", 0) == 0; });
  if (stored == contents.metadata.end()) {
    if (ours) file_error(path, "damaged: the checksum is missing");
    return;
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()), length_bytes + header);
  const std::string field = std::string("\"") + checksum_key + "\":\"";
  const size_t at = text.find(field);
  if (at == std::string_view::npos || at + field.size() + 8 > text.size() ||
      stored->second.size() != 8)
    file_error(path, "damaged: the checksum cannot be read");
  const std::string actual = hex(file_checksum(file.bytes(), at + field.size()));
  if (actual != stored->second)
    file_error(path, "damaged: checksum " + actual + ", the file says " + stored->second);
}

Tensor tensor_over(const Entry& entry, const std::shared_ptr<MappedFile>& file, size_t data_at) {
  std::byte* place = file->data() + data_at + entry.begin;
  const size_t size = dtype_size(entry.dtype);
  if (entry.begin != entry.end && reinterpret_cast<uintptr_t>(place) % size == 0)
    return Tensor::from_blob(place, entry.shape, entry.dtype, [file] {});
  const Tensor copy = Tensor::empty(entry.shape, entry.dtype);
  std::memcpy(copy.bytes(), place, entry.end - entry.begin);
  return copy;
}

std::string header_text(const NamedTensors& tensors,
                        const std::map<std::string, std::string>& metadata) {
  if (tensors.size() >= max_json_names)  // beside __metadata__
    argument_error("save_safetensors", "tensors", std::to_string(tensors.size()) + " of them",
                   "fewer than " + std::to_string(max_json_names),
                   "deal them out to several files");
  Json header = Json::object();
  Json& notes = header["__metadata__"] = Json::object();
  notes[format_key] = "1";
  notes[checksum_key] = unset_checksum;
  for (const auto& [key, value] : metadata)  // a loaded file's hold those of that file
    if (key != checksum_key && key != format_key) notes[key] = value;
  size_t place = 0;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.is_contiguous())
      argument_error("save_safetensors", name.c_str(), tensor.describe(), "a contiguous tensor",
                     "call contiguous() first");
    if (header.contains(name))
      argument_error("save_safetensors", name.c_str(), "named twice", "unique names", "");
    const size_t end = place + static_cast<size_t>(tensor.numel()) * dtype_size(tensor.dtype());
    header[name] = {{"dtype", dtype_names[static_cast<size_t>(tensor.dtype())].name},
                    {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())},
                    {"data_offsets", {place, end}}};
    place = end;
  }
  std::string text = header.dump();
  // Spaces, which the format allows, bring the tensors to a cache line.
  text.append(
      (Storage::alignment - (text.size() + length_bytes) % Storage::alignment) % Storage::alignment,
      ' ');
  return text;
}

}  // namespace

const Tensor& TensorFile::at(const std::string& name) const {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return tensor;
  argument_error("TensorFile", "name", "'" + name + "'", "a tensor of the file", "");
}

NamedTensors TensorFile::under(const std::string& prefix) const {
  NamedTensors out;
  for (const auto& [name, tensor] : tensors)
    if (name.rfind(prefix, 0) == 0) out.emplace_back(name.substr(prefix.size()), tensor);
  return out;
}

TensorFile load_safetensors(const std::string& path) {
  const auto file = std::make_shared<MappedFile>(path);
  const size_t length = read_length(*file, path), data_at = length_bytes + length;
  const Json header =
      parse_json({reinterpret_cast<const char*>(file->data()) + length_bytes, length}, path);
  if (!header.is_object()) file_error(path, "the header is no JSON object");
  TensorFile contents;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      entries.push_back(read_entry(name, value, file->size() - data_at, path));
      continue;
    }
    if (!value.is_object()) file_error(path, "__metadata__ is no JSON object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) file_error(path, "metadata '" + key + "' is no string");
      contents.metadata[key] = text.get<std::string>();
    }
  }
  check_layout(entries, file->size() - data_at, path);
  check_checksum(*file, length, contents, path);
  for (const Entry& entry : entries)
    contents.tensors.emplace_back(entry.name, tensor_over(entry, file, data_at));
  return contents;
}

void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::string text = header_text(tensors, metadata);
  std::byte length[length_bytes];
  for (size_t i = 0; i < length_bytes; ++i)
    length[i] = static_cast<std::byte>(text.size() >> (8 * i));
  std::vector<std::span<const std::byte>> parts{length, std::as_bytes(std::span(text))};
  std::vector<Tensor> here;  // copies of what lies on a GPU, until they are written
  for (const auto& [name, tensor] : tensors) {
    here.push_back(tensor.to(Device::cpu()));
    parts.emplace_back(here.back().bytes(),
                       static_cast<size_t>(tensor.numel()) * dtype_size(tensor.dtype()));
  }
  uint32_t sum = 0;
  for (const auto& part : parts) sum = crc32(sum, part);
  const std::string field = std::string("\"") + checksum_key + "\":\"";
  text.replace(text.find(field) + field.size(), 8, hex(sum));
  write_atomically(path, parts);
}

}  // namespace espalier
