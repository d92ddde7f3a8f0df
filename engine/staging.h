// Tensors that go to a GPU with nobody waiting for them: the processor makes them in page-locked
// memory, which a GPU reads by itself. For the CPU they are ordinary ones and stay where they are.
#pragma once

#include "engine/tensor.h"

namespace espalier {

// Uninitialised, on the CPU, for values that sent_to() takes to `device`. Its memory comes from a
// cache and goes back there, but not before the copies out of it have ended.
Tensor staging_tensor(const Shape& shape, DType dtype, Device device);

// `staged` on `device`, for operations there to use at once: the copy is one more thing in the
// stream that they run in. Nobody may write to `staged` any more; it may be let go.
Tensor sent_to(Device device, const Tensor& staged);
// The same to `there`, of its shape and contiguous, on a GPU. `staged` may be written to, and may
// be let go, once somebody has waited for what uses the copy.
void send(const Tensor& staged, const Tensor& there);

// What is cached of it goes back to the system.
void release_staging_memory() noexcept;

}  // namespace espalier
