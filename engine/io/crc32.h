// The CRC-32 of ISO 3309 (the one of gzip and PNG).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace espalier {

// The checksum of what `start` is the checksum of, followed by `bytes`; 0 starts a new one.
uint32_t crc32(uint32_t start, std::span<const std::byte> bytes) noexcept;

}  // namespace espalier
