// Whether this build has GPUs. It is asked where a kernel of theirs is called by name, as
//   if constexpr (built_with_cuda)
//     if (on_cuda()) return cuda::...;
// or a helper that does so, a template for that reason: nothing is made of it where it isn't
// called. All that includes no more than the library's headers is the same code in every build, and
// whoever embeds it need not know.
#pragma once

#include "engine/with_cuda.h"

namespace espalier {

inline constexpr bool built_with_cuda = ESPALIER_WITH_CUDA;

}  // namespace espalier
