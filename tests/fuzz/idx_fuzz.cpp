#include "nn/data/idx.h"
#include "tests/fuzz/fuzz.h"

ESPALIER_FUZZ(espalier::load_idx(path))
