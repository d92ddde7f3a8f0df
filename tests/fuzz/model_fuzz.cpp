#include "nn/model_file.h"
#include "tests/fuzz/fuzz.h"

ESPALIER_FUZZ(espalier::load_model(path))
