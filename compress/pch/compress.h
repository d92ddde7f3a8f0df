// What the units of compress take longest to parse, compiled once for all of them.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compress/convert.h"
#include "engine/error.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "nn/model_file.h"
