// SPDX-License-Identifier: Apache-2.0
//
// Prints, after all tests, what came out of each operation on each exporter.
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "contract/exporter_contract.hpp"

namespace causeway::test {
namespace {

struct Cell {
  std::string outcome;
  std::string reason;  // why refused or skipped
};

std::string first_line(const char* text) {
  const std::string all = text;
  return all.substr(0, all.find('\n'));
}

Cell judge(const ::testing::TestResult& result) {
  if (result.Failed()) {
    return {"FAILED", {}};
  }
  if (result.Skipped()) {
    return {"skipped",
            result.total_part_count() > 0 ? first_line(result.GetTestPartResult(0).message()) : ""};
  }
  for (int i = 0; i < result.test_property_count(); ++i) {
    if (const auto& property = result.GetTestProperty(i); std::string(property.key()) == "refused") {
      return {"refused", property.value()};
    }
  }
  return {"pass", {}};
}

class Matrix : public ::testing::Environment {
public:
  void TearDown() override {
    collect();
    if (operations_.empty()) {
      return;
    }
    int width = 0;
    for (const auto& operation : operations_) {
      width = std::max(width, static_cast<int>(operation.size()));
    }
    std::printf("\nexporter x operation, on %s kernel\n%-*s", on_real_kernel() ? "the real" : "the fake",
                width, "");
    for (const auto index : exporters_) {
      std::printf("  %-*s", column_of(index), exporters_here().at(index).name.c_str());
    }
    std::printf("\n");
    for (const auto& operation : operations_) {
      std::printf("%-*s", width, operation.c_str());
      for (const auto index : exporters_) {
        std::printf("  %-*s", column_of(index), text_of(cells_[{operation, index}]).c_str());
      }
      std::printf("\n");
    }
    for (std::size_t i = 0; i < reasons_.size(); ++i) {
      std::printf("[%zu] %s\n", i + 1, reasons_[i].c_str());
    }
    std::fflush(stdout);
  }

private:
  /// Wide enough for the exporter's name and for "refused [10]".
  static int column_of(std::size_t index) {
    return std::max(12, static_cast<int>(exporters_here().at(index).name.size()));
  }

  void collect() {
    const auto& run = *::testing::UnitTest::GetInstance();
    for (int s = 0; s < run.total_test_suite_count(); ++s) {
      const auto& suite = *run.GetTestSuite(s);
      for (int t = 0; t < suite.total_test_count(); ++t) {
        const auto& test = *suite.GetTestInfo(t);
        const std::string name = test.name();  // "Allocates/3"
        const auto slash = name.rfind('/');
        if (!test.should_run() || test.value_param() == nullptr || slash == std::string::npos) {
          continue;
        }
        const auto index = static_cast<std::size_t>(std::stoul(test.value_param()));
        const auto operation = name.substr(0, slash);
        if (std::find(operations_.begin(), operations_.end(), operation) == operations_.end()) {
          operations_.push_back(operation);
        }
        exporters_.insert(index);
        cells_[{operation, index}] = judge(*test.result());
      }
    }
  }

  std::string text_of(const Cell& cell) {
    if (cell.reason.empty()) {
      return cell.outcome.empty() ? "-" : cell.outcome;
    }
    auto known = std::find(reasons_.begin(), reasons_.end(), cell.reason);
    if (known == reasons_.end()) {
      known = reasons_.insert(reasons_.end(), cell.reason);
    }
    return cell.outcome + " [" + std::to_string(known - reasons_.begin() + 1) + "]";
  }

  std::vector<std::string> operations_;
  std::set<std::size_t> exporters_;
  std::map<std::pair<std::string, std::size_t>, Cell> cells_;
  std::vector<std::string> reasons_;
};

// GoogleTest owns it. The main program is one for all tests, so this file has to register itself.
[[maybe_unused]] const auto* const kMatrix = ::testing::AddGlobalTestEnvironment(new Matrix);

}  // namespace
}  // namespace causeway::test
