// Fills a table with what each operation of the library adds to it.
#pragma once

#include "engine/op_table.h"
#include "engine/operations.h"  // made by meson.build from its list of operations

// Defines `const Table& name()`: once, and then the same, a Table that was handed to the function
// void <op>_<name>(Table&) of every file engine/ops/<op>.cpp.
#define ESPALIER_FILLED_TABLE(Table, name)                     \
  ESPALIER_EACH_OPERATION(ESPALIER_DECLARE_FACTS, Table, name) \
  const Table& name() {                                        \
    static const Table filled = [] {                           \
      Table all;                                               \
      ESPALIER_EACH_OPERATION(ESPALIER_ADD_FACTS, Table, name) \
      return all;                                              \
    }();                                                       \
    return filled;                                             \
  }
#define ESPALIER_DECLARE_FACTS(op, Table, name) void op##_##name(Table&);
#define ESPALIER_ADD_FACTS(op, Table, name) op##_##name(all);
