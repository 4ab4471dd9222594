#include "ops/add.h"

#include "cpu/elementwise.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
void sum(const AddArgs<T>& a) {
  map<T>(a.n, a.width, a.y, [](Vec<T> x, Vec<T> other) { return x + other; }, a.x, a.other);
}

}  // namespace

void add(const AddArgs<float>& a) { sum(a); }
void add(const AddArgs<double>& a) { sum(a); }

}  // namespace fastnn::FASTNN_ISA
