#include "compress/comparison_table.h"

#include <algorithm>

#include "bench/axis.h"

namespace espalier {
namespace {

// Characters that a terminal shows.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string batch_name(int64_t batch) {
  return batch == 1 ? "one image" : "batch of " + std::to_string(batch);
}

bool counts_energy(std::span<const ModelMetrics> models) {
  for (const ModelMetrics& m : models)
    for (const ModelMetrics::Speed& speed : m.speeds)
      if (speed.joules_per_image) return true;
  return false;
}

std::vector<std::string> heading(std::span<const ModelMetrics> models, bool energy) {
  std::vector<std::string> row = {"model", "on disk"};
  for (const ModelMetrics::Speed& speed : models[0].speeds) {
    row.push_back(batch_name(speed.batch));
    row.push_back("images/s");
    if (energy) row.push_back("mJ/image");
  }
  row.insert(row.end(), {"memory", "accuracy", "parameters"});
  return row;
}

}  // namespace

std::string markdown_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.front().size(), 3);
  for (const auto& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < widths.size(); ++c) {
      const std::string& cell = rows[r][c];
      const std::string room(widths[c] - width_of(cell), ' ');
      out += "| " + (c == 0 ? cell + room : room + cell) + " ";
    }
    out += "|\n";
    if (r > 0) continue;
    for (size_t c = 0; c < widths.size(); ++c)
      out += "|" + std::string(widths[c] + 1, '-') + (c == 0 ? "-" : ":");
    out += "|\n";
  }
  return out;
}

std::string size_text(int64_t bytes) {
  const double size = static_cast<double>(bytes);
  return size < 1e6 ? bench::fixed(size * 1e-3, size < 1e4   ? 2
                                                : size < 1e5 ? 1
                                                             : 0) +
                          " kB"
                    : bench::fixed(size * 1e-6, 2) + " MB";
}

std::string comparison_table(std::span<const ModelMetrics> models) {
  const bool energy = counts_energy(models);
  std::vector<std::vector<std::string>> rows = {heading(models, energy)};
  for (const ModelMetrics& m : models) {
    std::vector<std::string> row = {m.label, size_text(m.file_bytes)};
    for (const ModelMetrics::Speed& speed : m.speeds) {
      row.push_back(bench::fixed(1e3 * speed.seconds.median, 3) + " ms");
      row.push_back(bench::fixed(speed.images_per_second(), 0));
      if (energy)
        row.push_back(speed.joules_per_image ? bench::fixed(1e3 * *speed.joules_per_image, 3) : "");
    }
    row.push_back(size_text(m.memory_bytes));
    row.push_back(bench::fixed(100 * m.evaluation.accuracy(), 2) + " ± " +
                  bench::fixed(100 * m.evaluation.half_interval(), 2) + " %");
    row.push_back(bench::fixed(static_cast<double>(m.parameters), 0));
    rows.push_back(row);
  }
  return markdown_table(rows);
}

}  // namespace espalier
