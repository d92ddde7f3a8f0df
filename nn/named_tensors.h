// Copying state by name.
#pragma once

#include "engine/tensor.h"

namespace espalier {

// The tensor of that name, or null.
const Tensor* find_named(const NamedTensors& tensors, const std::string& name);

// Appends each tensor of `from`, off the tape, as prefix + name.
void append_named(const std::string& prefix, const NamedTensors& from, NamedTensors& to);

// Copies each tensor of `from` into the one of its name in `to`. Throws an argument error in `op`'s
// name that lists every missing name, unexpected name and wrong shape or dtype; nothing is copied
// then.
void copy_named(const char* op, const NamedTensors& to, const NamedTensors& from);

// Makes each stand over memory on `device`, with what it held; gradients are dropped.
void move_named(const NamedTensors& tensors, Device device);

}  // namespace espalier
