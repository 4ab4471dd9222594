// Numbers, words and tuples that Python passes, parsed and checked.
#pragma once

#include "python/support/arrays.h"

namespace fastnn {

std::string describe(py::handle value);  // its repr, shortened

double number(const char* op, const char* name, py::handle value);  // finite
double number_at_least(const char* op, const char* name, py::handle value, double least);
double number_in(const char* op, const char* name, py::handle value, double least, double most);
int64_t integer(const char* op, const char* name, py::handle value, int64_t least);
uint64_t word64(const char* op, const char* name, py::handle value);  // [0, 2^64)
bool boolean(const char* op, const char* name, py::handle value);

struct Pair {
  int64_t h, w;
};
Pair int_pair(const char* op, const char* name, py::handle value, int64_t least);  // n or (h, w)

// A tuple of sizes from 0 on, of rank least to most.
Shape shape_argument(const char* op, const char* name, py::handle value, int least, int most = kMaxRank);

// Which of `names` the tuple `needs` holds.
std::vector<bool> parse_needs(const char* op, py::handle needs, std::initializer_list<const char*> names);

}  // namespace fastnn
