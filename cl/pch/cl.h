// What the units of cl take longest to parse, compiled once for all of them.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cl/methods/method.h"
#include "engine/error.h"
#include "engine/ops/view.h"
