#include "bench/table.h"

#include <algorithm>
#include <cstdlib>

namespace espalier::bench {

std::string table_heading(std::initializer_list<TableColumn> columns) {
  std::string line;
  for (const TableColumn& column : columns) {
    const std::string name = column.name;
    const auto width = static_cast<size_t>(std::abs(column.width));
    const std::string padding(width - std::min(width, name.size()), ' ');
    if (!line.empty()) line += ' ';
    line += column.width < 0 ? name + padding : padding + name;
  }
  return line + '\n';
}

}  // namespace espalier::bench
