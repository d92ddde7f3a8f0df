// How a model was made, in words, as its file's metadata tells it.
#pragma once

#include <map>
#include <string>

namespace espalier {

// "50 % of parameters pruned by l2, trained for 2 epochs since, ...". `dtype` is LoadedModel's.
// Notes of ours without words of their own are told as they stand.
std::string provenance(const std::string& dtype,
                       const std::map<std::string, std::string>& metadata);

// The same in a few words: what its numbers are, and how much was pruned.
std::string provenance_in_short(const std::string& dtype,
                                const std::map<std::string, std::string>& metadata);

}  // namespace espalier
