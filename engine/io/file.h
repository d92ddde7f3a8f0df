// Files: reading that proves before it trusts, and writing that never leaves half a file.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace espalier {

// A regular file mapped into memory. Writes to the mapping stay private to this process.
class MappedFile {
 public:
  // Throws a file error when `path` is absent, unreadable, or no regular file (a folder, a FIFO).
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::byte* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole of a regular file as text; throws as MappedFile does.
std::string read_text(const std::string& path);

// Makes the folder `path`, and those that it lies in, where they are absent. A file error with the
// system's reason where it cannot.
void make_folder(const std::string& path);

// For before long work: throws the file error that writing `path` would end with, as far as it can
// be told: its folder is absent or may not be written in, or it is a folder itself.
void check_writable(const std::string& path);

// Replaces `path` by the concatenation of `parts`, or leaves it as it was: a temporary file in the
// same folder is written, synced and renamed, and the folder is synced. Throws a file error with
// the system's reason (no space left on device, …).
void write_atomically(const std::string& path,
                      const std::vector<std::span<const std::byte>>& parts);
void write_atomically(const std::string& path, const std::string& text);

}  // namespace espalier
