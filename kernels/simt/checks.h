// What the checked mode of the emulated GPU looks for (Meson's cuda=checked). Kernels are compiled
// with ThreadSanitizer's instrumentation, whose calls come here, to kernels/simt/hooks.cpp, instead
// of to its runtime; the emulator tells of barriers and of what it reads and writes for a lane.
//
//   races           two threads meet at a byte, one of them to write it, and no barrier stands
//                   between them: sync_block(), sync_group() of both, a barrier in shared memory,
//                   or sync_warp() within a warp. Shuffles, votes and products order no memory.
//                   Threads of two blocks always race.
//   out of bounds   shared memory beyond what the kernel and the launch asked for, and memory of
//                   the GPU beyond what was taken of it
//   unwritten       shared memory is read before anybody wrote it, or while a copy to it is under
//                   way
//
// Each ends the launch as a fault. Of a word's readers the last is remembered, and of a word's
// bytes those that were used last, so a race may go unseen under one order of the threads; none is
// reported that is not there. Nothing but what instrumented code does is seen: not memcpy of more
// than a few words, nor what a kernel does in its own stack.
#pragma once

#include <cstddef>
#include <cstdint>

namespace espalier::simt {

struct Grid;

namespace checks {

#if defined(ESPALIER_CHECKED_KERNELS)
constexpr bool enabled = true;
#else
constexpr bool enabled = false;
#endif

enum class Use { read, write };

void start_launch(const Grid& grid);
// A block begins, as number `rank` of its cluster, with this shared memory, all of it unwritten.
void start_block(unsigned rank, const unsigned char* shared);
// Warps (bit by bit) of the running lane's block have met: what they did is ordered before what
// they will do.
void order(uint32_t warps);
// The running lane uses memory.
void use(const void* at, size_t bytes, Use kind);
// Shared memory loses what was written there, and has it again.
void forget(const void* at, size_t bytes);
void remember(const void* at, size_t bytes);
// The running lane arrives at a barrier in shared memory, and passes it: what arrived before is
// ordered before what passes.
void release(uint32_t barrier);
void acquire(uint32_t barrier);

}  // namespace checks
}  // namespace espalier::simt
