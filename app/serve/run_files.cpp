#include "app/serve/run_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace espalier::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t most_runs = 2000, most_files = 2000;

// A folder's verb by what it holds; empty where that is no run.
std::string verb_of(const fs::path& folder) {
  const auto holds = [&](const char* name) {
    std::error_code error;
    return fs::is_regular_file(fs::symlink_status(folder / name, error));
  };
  if (holds("compress.json")) return "compress";
  if (holds("profile.json")) return "profile";
  if (holds("hardware.json")) return "bench";
  if (!holds("config.json")) return "";
  // Both kinds of training have a config.json; that of a stream names it.
  std::ifstream config(folder / "config.json");
  std::string start(512, '\0');
  config.read(start.data(), static_cast<std::streamsize>(start.size()));
  return start.find("\"stream\"") == start.npos ? "train" : "learn";
}

bool may_be_id(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.size() <= 128 &&
         std::none_of(name.begin(), name.end(), [](char c) {
           return c == ':' || c == '/' || static_cast<unsigned char>(c) < 32 || c == 127;
         });
}

// The folders in one, without links.
std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code unknown;
    if (fs::is_directory(at->symlink_status(unknown)) && may_be_id(at->path().filename().string()))
      out.push_back(at->path());
  }
  return out;
}

void collect(const fs::path& folder, const std::string& prefix, int depth,
             std::vector<RunFile>& out) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    struct stat about {};
    if (out.size() >= most_files || !may_be_id(name) || lstat(at->path().c_str(), &about) != 0)
      continue;
    if (S_ISDIR(about.st_mode) && depth > 1)
      collect(at->path(), prefix + name + "/", depth - 1, out);
    if (S_ISREG(about.st_mode) && served_type(name))
      out.push_back({prefix + name, about.st_size,
                     static_cast<double>(about.st_mtim.tv_sec) +
                         1e-9 * static_cast<double>(about.st_mtim.tv_nsec)});
  }
}

}  // namespace

std::vector<RunFolder> find_runs(const std::string& runs) {
  std::vector<std::pair<double, RunFolder>> found;
  const auto add = [&](const std::string& id, const fs::path& path, const std::string& verb) {
    found.push_back({modified_seconds(path.string()), {id, path.string(), verb}});
  };
  for (const fs::path& outer : folders_in(runs)) {
    if (found.size() >= most_runs) break;
    const std::string name = outer.filename().string(), verb = verb_of(outer);
    if (!verb.empty()) add(name, outer, verb);
    // What a compression or a stream keeps inside is part of it.
    if (verb != "" && verb != "train") continue;
    for (const fs::path& inner : folders_in(outer))
      if (const std::string of = verb_of(inner); !of.empty())
        add(name + ":" + inner.filename().string(), inner, of);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<RunFolder> out;
  for (auto& [modified, run] : found) out.push_back(std::move(run));
  return out;
}

std::optional<RunFolder> find_run(const std::string& runs, const std::string& id) {
  for (RunFolder& run : find_runs(runs))
    if (run.id == id) return std::move(run);
  return std::nullopt;
}

std::vector<RunFile> files_of(const std::string& folder) {
  std::vector<RunFile> out;
  collect(folder, "", 4, out);
  std::sort(out.begin(), out.end(),
            [](const RunFile& a, const RunFile& b) { return a.name < b.name; });
  return out;
}

const char* served_type(const std::string& name) {
  constexpr std::pair<const char*, const char*> types[] = {
      {".json", "application/json"},
      {".jsonl", "application/x-ndjson"},
      {".md", "text/markdown; charset=utf-8"},
      {".txt", "text/plain; charset=utf-8"},
      {".png", "image/png"},
      {".safetensors", "application/octet-stream"}};
  for (const auto& [ending, type] : types)
    if (name.ends_with(ending)) return type;
  return nullptr;
}

double modified_seconds(const std::string& path) {
  struct stat about {};
  if (stat(path.c_str(), &about) != 0) return 0;
  return static_cast<double>(about.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(about.st_mtim.tv_nsec);
}

std::string whole_of(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string tail_of(const std::string& path, size_t bytes) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file.tellg();
  if (!file || size <= 0) return "";
  const std::streamoff start =
      std::max<std::streamoff>(0, size - static_cast<std::streamoff>(bytes));
  std::string text(static_cast<size_t>(size - start), '\0');
  file.seekg(start);
  file.read(text.data(), size - start);
  text.resize(static_cast<size_t>(file.gcount()));
  if (start > 0) text.erase(0, text.find('\n') == text.npos ? 0 : text.find('\n') + 1);
  return text;
}

}  // namespace espalier::app
