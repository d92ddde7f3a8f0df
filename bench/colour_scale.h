// Values as colours: the scale that a heat map and shaded points share, and the bar that explains
// it.
#pragma once

#include "bench/axis.h"
#include "bench/canvas.h"

namespace espalier::bench {

// White to dark blue, for t in [0, 1].
Colour shade(double t);

// Pixels that the bar takes to the right of a plot, its label included.
double colour_bar_room(Interval values, double height, const Axis& axis);
// Draws it right of `plot`, over the plot's height. Marks on white start at `palest`.
void draw_colour_bar(Canvas& canvas, const Rect& plot, Interval values, const Axis& axis,
                     double palest);

}  // namespace espalier::bench
