// Plain-text tables, as far as they are alike.
#pragma once

#include <initializer_list>
#include <string>

namespace espalier::bench {

// As wide as printf's "%*s" has it: a negative width puts the name to the left.
struct TableColumn {
  const char* name;
  int width;
};

// The heading, with its newline.
std::string table_heading(std::initializer_list<TableColumn> columns);

}  // namespace espalier::bench
