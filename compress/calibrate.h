// Calibration: a model runs on a few images while observers watch its activations.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "compress/observers/observer.h"
#include "engine/graph.h"

namespace espalier {

// The observers of a graph's values, by value number; null for constants.
using Observers = std::vector<std::unique_ptr<Observer>>;
using ObserverFactory = std::function<std::unique_ptr<Observer>()>;

// Runs `graph` on `inputs` [N, sample...] in small batches, off the tape, and shows each batch's
// input and then every result to `watch`, with the number of the value.
using Watch = std::function<void(int value, const Tensor& x)>;
void run_watched(const Graph& graph, const Tensor& inputs, const Watch& watch);

// The same, showing every value to an observer of its own.
Observers calibrate(const Graph& graph, const Tensor& inputs, const ObserverFactory& make);

}  // namespace espalier
