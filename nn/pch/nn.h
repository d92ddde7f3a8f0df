// What the units of nn take longest to parse, compiled once for all of them.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/lowering.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "nn/vit.h"
