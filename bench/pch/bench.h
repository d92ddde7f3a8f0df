// What the units of bench take longest to parse, compiled once for all of them.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/cases/case.h"
#include "bench/frame.h"
#include "bench/measure.h"
#include "engine/error.h"
#include "engine/parallel.h"
