// Blocks of GPU memory that a recording has used: while it lives they are handed out to nobody
// else.
#pragma once

#include <cstddef>

namespace espalier::cuda {

// From here to stop_owning_blocks(), blocks that this thread takes belong to a new owner, and come
// from those that went back to it first.
void* own_blocks();
void stop_owning_blocks() noexcept;
// Of all blocks of an owner.
size_t own_bytes(const void* owner) noexcept;
// Its blocks are anyone's again: those that are in use, once they are let go.
void disown_blocks(void* owner) noexcept;

}  // namespace espalier::cuda
