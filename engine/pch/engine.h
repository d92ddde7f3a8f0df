// What the units of the engine take longest to parse, compiled once for all of them.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/autograd.h"
#include "engine/derivatives.h"
#include "engine/dispatch.h"
#include "engine/lowering.h"
#include "engine/onnx_writer.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "engine/profiler.h"
#include "engine/replay.h"
