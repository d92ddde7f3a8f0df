// The run folders below --runs and the files in them. Nothing outside is ever looked at: what a
// client names is compared with what was found here, and never joined to a path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace espalier::app {

struct RunFolder {
  std::string id;    // of the folders below --runs, joined by colons
  std::string path;  // as a command takes it
  std::string verb;  // that made it
};

// At most two folders deep, no links, the newest first.
std::vector<RunFolder> find_runs(const std::string& runs);
std::optional<RunFolder> find_run(const std::string& runs, const std::string& id);

struct RunFile {
  std::string name;  // below the folder: "plots/loss.png"
  int64_t bytes;
  double modified;  // seconds since 1970
};

// Files that may be read by a browser, at most four folders deep, no links.
std::vector<RunFile> files_of(const std::string& folder);
// "application/json"; null for a file that may not.
const char* served_type(const std::string& name);

// Of a file; 0 where there is none.
double modified_seconds(const std::string& path);
// All of a file; empty where there is none.
std::string whole_of(const std::string& path);
// The last `bytes` of a file, from the beginning of a line.
std::string tail_of(const std::string& path, size_t bytes);

}  // namespace espalier::app
