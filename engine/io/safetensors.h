// Tensors on disk, in the safetensors format: an 8-byte little-endian header length, a JSON header,
// then the tensors' bytes.
#pragma once

#include <map>
#include <string>

#include "engine/tensor.h"

namespace espalier {

struct TensorFile {
  NamedTensors tensors;  // ordered by their place in the file
  std::map<std::string, std::string> metadata;

  // Throws an argument error that names what is absent.
  const Tensor& at(const std::string& name) const;
  // The tensors whose names start with `prefix`, under the rest of their names.
  NamedTensors under(const std::string& prefix) const;
};

// Reads `path`. Tensors share the mapped file (writes to them stay private) and keep it alive.
// Every offset and size is proven before it is used; damaged, truncated or foreign files, and those
// of 10,000 tensors and more, are file errors. Files written by save_safetensors carry a CRC-32 of
// everything else in them, which is checked.
TensorFile load_safetensors(const std::string& path);

// Writes `path` atomically. Tensors must be contiguous and fewer than 10,000; names and metadata
// must be unique. What a loaded file's metadata say of its checksum and format is not written: the
// new file has its own.
void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace espalier
