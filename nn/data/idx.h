// The IDX format of MNIST and its kin, plain or gzipped.
#pragma once

#include <string>

#include "engine/tensor.h"

namespace espalier {

// Reads an IDX file of unsigned bytes as a u8 tensor. A file that starts with gzip's magic number
// is inflated. Sizes are proven against the bytes that exist before anything is allocated; damage
// is a file error.
Tensor load_idx(const std::string& path);

}  // namespace espalier
