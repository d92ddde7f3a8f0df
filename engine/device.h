// Where a storage lives.
#pragma once

#include <string>

namespace espalier {

struct Device {
  enum class Kind { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  static Device cpu() noexcept { return {}; }
  std::string str() const { return kind == Kind::cpu ? "cpu" : "cuda:" + std::to_string(index); }
  friend bool operator==(const Device&, const Device&) = default;
};

// "cpu" gives the CPU; anything else throws a device error, since this build has no other device.
Device device_from_name(const std::string& name);

}  // namespace espalier
