#include "engine/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

ESPALIER_FUZZ(espalier::load_safetensors(path))
