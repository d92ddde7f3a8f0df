// What a kernel did wrong on the emulated GPU.
#pragma once

#include <string>

#include "kernels/simt/emulator.h"
#include "kernels/simt/simt.h"

namespace espalier::test {

// What a launch leaves behind: "" or the fault.
template <class... P, class... A>
std::string fault_of(void (*kernel)(P...), const simt::Grid& grid, A... arguments) {
  simt::launch(kernel, grid, arguments...);
  return simt::take_fault();
}

}  // namespace espalier::test
