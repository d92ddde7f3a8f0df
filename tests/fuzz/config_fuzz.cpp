#include "engine/io/file.h"
#include "nn/train_config.h"
#include "tests/fuzz/fuzz.h"

ESPALIER_FUZZ(espalier::train_config_from_json(espalier::read_text(path), path))
