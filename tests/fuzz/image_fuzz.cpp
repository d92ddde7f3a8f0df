#include "engine/io/image.h"
#include "tests/fuzz/fuzz.h"

ESPALIER_FUZZ(espalier::load_image(path, 28, 28, 1))
