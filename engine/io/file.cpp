#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engine/error.h"

namespace espalier {
namespace {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void system_error(const std::string& path, const std::string& action) {
  file_error(path, action + ": " + std::strerror(errno));
}

void write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), std::min(bytes.size(), size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) system_error(path, "cannot write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

// "runs/" of "runs/x"
std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

void sync_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  const Descriptor fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) system_error(folder, "cannot sync the folder");
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  // Non-blocking, so that a FIFO without a writer is refused rather than waited for.
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) system_error(path, "cannot open");
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) system_error(path, "cannot examine");
  if (S_ISDIR(info.st_mode)) file_error(path, "is a folder; expected a file");
  if (!S_ISREG(info.st_mode)) file_error(path, "is not a regular file");
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0);
  if (mapped == MAP_FAILED) system_error(path, "cannot map");
  data_ = static_cast<std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, size_);
}

std::string read_text(const std::string& path) {
  const MappedFile file(path);
  return file.size() ? std::string(reinterpret_cast<const char*>(file.data()), file.size()) : "";
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) file_error(path, "cannot make the folder: " + error.message());
}

void check_writable(const std::string& path) {
  if (access((folder_of(path) + ".").c_str(), W_OK | X_OK) != 0)
    system_error(path, "cannot create");
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    file_error(path, "is a folder; expected a file");
}

void write_atomically(const std::string& path,
                      const std::vector<std::span<const std::byte>>& parts) {
  const std::string temporary = path + ".tmp." + std::to_string(getpid());
  try {
    const Descriptor fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (fd.get() < 0) system_error(path, "cannot create");
    for (const auto& part : parts) write_all(fd.get(), part, path);
    if (fsync(fd.get()) != 0) system_error(path, "cannot sync");
    if (rename(temporary.c_str(), path.c_str()) != 0) system_error(path, "cannot replace");
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
  sync_folder_of(path);
}

void write_atomically(const std::string& path, const std::string& text) {
  write_atomically(path, {std::as_bytes(std::span(text))});
}

}  // namespace espalier
