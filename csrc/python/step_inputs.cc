// The numbers of a captured step, for fastnn/train/capture.py.
#include "core/step_inputs.h"

#include <pybind11/stl.h>

#include "core/device.h"
#include "python/support/arguments.h"

namespace fastnn {
namespace {

using Positions = std::vector<std::pair<uint64_t, uint64_t>>;

class Block {
 public:
  explicit Block(py::object memory) : memory_(std::move(memory)) {
    const DeviceCall call;
    const View view("StepInputs", "memory", memory_);
    if (!on_device()) fail_value("StepInputs", "memory", "on a CUDA device", "an array on the CPU");
    inputs_.device = view.data;
    inputs_.capacity = view.size() * view.itemsize();
    host_ = std::make_unique<StepInput[]>(static_cast<size_t>(inputs_.capacity) / sizeof(StepInput));
    inputs_.host = reinterpret_cast<char*>(host_.get());
  }

  void record() {
    inputs_.mode = StepInputs::Mode::recording;
    inputs_.used = 0;
    use_step_inputs(&inputs_);
  }
  void refill() {
    inputs_.mode = StepInputs::Mode::refilling;
    inputs_.next = 0;
    inputs_.fits = true;
    use_step_inputs(&inputs_);
  }
  void end() { use_step_inputs(nullptr); }
  bool refilled() const { return inputs_.fits && inputs_.update_from(inputs_.next) >= inputs_.used; }

  int64_t updates() const {
    int64_t count = 0;
    for (int64_t at = inputs_.update_from(0); at < inputs_.used; at = inputs_.update_from(inputs_.behind(at))) ++count;
    return count;
  }
  Positions positions() const {
    Positions found;
    each_position([&](StreamPosition& p) { found.emplace_back(p.seed, p.offset); });
    return found;
  }
  void set_positions(const Positions& given) {
    size_t next = 0;
    each_position([&](StreamPosition& p) {
      if (next < given.size()) p = {given[next].first, given[next].second};
      ++next;
    });
    if (next != given.size())
      fail_value("StepInputs", "positions", "as many as were recorded (" + std::to_string(next) + ")",
                 std::to_string(given.size()));
  }

  void send() const {
    const DeviceCall call;
    const View view("StepInputs", "memory", memory_);  // enters its device, on the current stream
    send_step_inputs(inputs_);
  }

 private:
  template <class F>
  void each_position(const F& f) const {
    for (int64_t at = 0; at < inputs_.used; at = inputs_.behind(at))
      if (!inputs_.entry(at)->reader) f(*reinterpret_cast<StreamPosition*>(inputs_.entry(at) + 1));
  }

  py::object memory_;
  std::unique_ptr<StepInput[]> host_;
  StepInputs inputs_{};
};

}  // namespace

void bind_step_inputs(py::module_& m) {
  py::class_<Block>(m, "StepInputs", "Numbers of a captured step that differ from replay to replay.")
      .def(py::init<py::object>(), py::arg("memory"))
      .def("record", &Block::record)
      .def("refill", &Block::refill)
      .def("end", &Block::end)
      .def("send", &Block::send)
      .def_property_readonly("refilled", &Block::refilled)
      .def_property_readonly("updates", &Block::updates)
      .def_property("positions", &Block::positions, &Block::set_positions);
}

}  // namespace fastnn
