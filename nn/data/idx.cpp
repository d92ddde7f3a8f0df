#include "nn/data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "engine/error.h"
#include "engine/io/file.h"

namespace espalier {
namespace {

constexpr int unsigned_byte = 0x08;
constexpr size_t max_inflation = 1032;  // deflate cannot do more (zlib's technical details)

// Reads forward through a file, inflating it when it is gzipped.
class ByteReader {
 public:
  explicit ByteReader(const std::string& path) : path_(path), file_(path) {
    const auto* bytes = reinterpret_cast<const Bytef*>(file_.data());
    gzipped_ = file_.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    if (!gzipped_) return;
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) file_error(path_, "cannot start to inflate");
    stream_.next_in = const_cast<Bytef*>(bytes);
    left_ = file_.size();
  }
  ~ByteReader() {
    if (gzipped_) inflateEnd(&stream_);
  }
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  // The most bytes that can still come, before any is read.
  size_t most() const noexcept { return file_.size() * (gzipped_ ? max_inflation : 1); }

  void read(std::span<std::byte> out) {
    if (gzipped_) return inflate_into(out);
    if (out.size() > file_.size() - place_) file_error(path_, "truncated");
    std::memcpy(out.data(), file_.data() + place_, out.size());
    place_ += out.size();
  }

  // Throws unless the data ends here (and, when gzipped, its checksum holds).
  void expect_end() {
    if (!gzipped_) {
      if (place_ != file_.size()) file_error(path_, "holds more bytes than its header says");
      return;
    }
    Bytef extra;
    stream_.next_out = &extra;
    stream_.avail_out = 1;
    const int result = step();
    if (result != Z_STREAM_END || stream_.avail_out == 0 || left_ || stream_.avail_in)
      file_error(path_, "damaged gzip stream, or more bytes than its header says");
  }

 private:
  int step() {
    if (stream_.avail_in == 0) {
      stream_.avail_in = static_cast<uInt>(std::min(left_, size_t{1} << 30));
      left_ -= stream_.avail_in;
    }
    return inflate(&stream_, Z_NO_FLUSH);
  }

  void inflate_into(std::span<std::byte> out) {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    for (size_t missing = out.size(); missing;) {
      stream_.avail_out = static_cast<uInt>(std::min(missing, size_t{1} << 30));
      const uInt offered = stream_.avail_out;
      const int result = step();
      missing -= offered - stream_.avail_out;
      const bool stuck = offered == stream_.avail_out && stream_.avail_in == 0 && left_ == 0;
      if (missing && (result != Z_OK || stuck))
        file_error(path_, "truncated or damaged gzip stream");
    }
  }

  std::string path_;
  MappedFile file_;
  bool gzipped_ = false;
  z_stream stream_{};
  size_t left_ = 0, place_ = 0;
};

}  // namespace

Tensor load_idx(const std::string& path) {
  ByteReader reader(path);
  std::byte magic[4];
  reader.read(magic);
  const int rank = std::to_integer<int>(magic[3]);
  if (magic[0] != std::byte{0} || magic[1] != std::byte{0} || rank < 1 || rank > 4)
    file_error(path, "no IDX file (magic number)");
  if (std::to_integer<int>(magic[2]) != unsigned_byte)
    file_error(path, "IDX element type " + std::to_string(std::to_integer<int>(magic[2])) +
                         "; expected 8 (unsigned byte)");
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    std::byte digits[4];
    reader.read(digits);
    uint32_t dim = 0;
    for (std::byte digit : digits) dim = dim << 8 | std::to_integer<uint32_t>(digit);
    shape.push_back(dim);
  }
  if (!shape.countable() || static_cast<size_t>(shape.numel()) > reader.most())
    file_error(path, "the header promises more than the file can hold");
  const Tensor out = Tensor::empty(shape, DType::u8);
  reader.read({out.bytes(), static_cast<size_t>(shape.numel())});
  reader.expect_end();
  return out;
}

}  // namespace espalier
